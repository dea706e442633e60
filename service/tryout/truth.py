"""Which parts are really good: a file that somebody has made who looked at them.

    {"part_1.png": {"result": true}, "part_2.png": {"result": false, "label": "scratch"}}

Names are those of files in the folders that are tried, or paths from the truth's own folder. `data`, `camera` and
`view` beside `result` are what a client said with a frame.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from workers.errors import FramemillError
from workers.text import Told, as_text, is_utf8, shown


class TruthInvalid(FramemillError):
    """A file of right verdicts has mistakes; the message has a line for each."""

    code = "truth_invalid"


def _utf8(text: str) -> str:
    if not is_utf8(text):
        raise ValueError("is not UTF-8")
    return text


_Said = Annotated[str, AfterValidator(_utf8)]


class Expected(BaseModel):
    """The right verdict of one part, and what is wrong with it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    result: Annotated[bool, Field(description="true is OK, false is NOK")]
    label: Annotated[str | None, Field(description="what is wrong with a part that is NOK")] = None
    data: Annotated[_Said | None, Field(description="what a client sent with it")] = None
    camera: Annotated[_Said | None, Field(description="which camera it was from")] = None
    view: Annotated[_Said | None, Field(description="which view of a part it was")] = None

    def told(self, otherwise: Told) -> Told:
        """Return what is said with its frame: what stands here, else `otherwise`."""
        known = (self.data, self.camera, self.view)
        return Told(*(mine if mine is not None else other for mine, other in zip(known, otherwise, strict=True)))


@dataclass(slots=True)
class Matched:
    """What is known of the files that are tried, and the names of which no file is known."""

    expected: dict[Path, Expected] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)


def read_truth(path: Path) -> dict[str, Expected]:
    """Read such a file.

    Raises:
        TruthInvalid: it cannot be read, or has mistakes.
    """
    try:
        entries = json.loads(as_text(path.read_bytes()))
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror}"
        raise TruthInvalid(msg) from None
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        msg = f"{path}: is no JSON: {error}"
        raise TruthInvalid(msg) from None
    if not isinstance(entries, dict):
        msg = f'{path}: is {_kind(entries)}, expected an object: {{"part.png": {{"result": true}}, ...}}'
        raise TruthInvalid(msg)
    truth, mistakes = {}, []
    for name, entry in entries.items():
        try:
            truth[name] = Expected.model_validate(entry)
        except ValidationError as error:
            mistakes += [f"{path}: {shown(name)}{_explained(detail)}" for detail in error.errors(include_url=False)]
    if mistakes:
        raise TruthInvalid("\n".join(mistakes))
    return truth


def match(truth: dict[str, Expected], folders: Sequence[Path], files: Iterable[Path]) -> Matched:
    """Find out which of `files` the names mean: paths from one of `folders`, or the name of one file alone.

    Raises:
        TruthInvalid: a name means several files.
    """
    by_path: dict[Path, list[Path]] = {}
    by_name: dict[str, list[Path]] = {}
    for file in files:
        by_path.setdefault(file.resolve(), []).append(file)
        by_name.setdefault(file.name, []).append(file)
    found = Matched()
    mistakes = []
    for name, expected in truth.items():
        paths = dict.fromkeys((folder / name).resolve() for folder in folders)
        meant = [file for path in paths for file in by_path.get(path, ())] or by_name.get(name, [])
        if len({file.resolve() for file in meant}) > 1:
            mistakes.append(f"{shown(name)} means several files: {', '.join(map(str, meant))}; name it by its path")
        if not meant:
            found.unused.append(name)
        found.expected.update(dict.fromkeys(meant, expected))
    if mistakes:
        raise TruthInvalid("\n".join(mistakes))
    return found


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), "a value")


def _explained(detail: Any) -> str:
    where = "".join(f".{part}" for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{where}: is missing, expected true or false"
    if detail["type"] == "extra_forbidden":
        return f"{where}: is unknown; known are {', '.join(Expected.model_fields)}"
    what = detail["msg"].replace("Input should", "should")
    return f"{where}: {what[0].lower()}{what[1:]}, got {shown(detail['input'])}"
