"""The proof of a project, tables [[proof]]: frames that it brings along, and what its flow must say of them.

    [[proof]]
    frame = "proof/good.png"       # a file of the project, and so of its version
    result = true                  # the right verdict: true is OK

    [[proof]]
    frame = "proof/scratched.png"
    result = false
    labels = ["scratch"]           # what is found: these labels, however often, and no others
    holds = "score > 0.5"          # an expression over the context, as only_if has it
    data = "M4"                    # what a client would send with it,
    camera = "hall 2"              # which camera it would say that it is,
    view = "top"                   # and which view of a part

A version that says something else of one of them is not taken over by a reload. This file imports neither OpenCV nor
numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from workers.context.expression import expression
from workers.flow.mistakes import Mistakes
from workers.modules.only_if.options import ExpressionText
from workers.modules.project_files import find_file
from workers.pool.job import MAX_CAMERA_BYTES, MAX_DATA_BYTES, MAX_VIEW_BYTES
from workers.text import Told, too_long

MOST_PROOFS = 1000


def _at_most(most_bytes: int) -> AfterValidator:
    def check(text: str) -> str:
        if wrong := too_long(text, most_bytes):
            raise ValueError(wrong)
        return text

    return AfterValidator(check)


class ProofOptions(BaseModel):
    """What a project says about one frame of its proof, a table [[proof]]."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    frame: Annotated[str, Field(min_length=1, description="the file of the frame, in the project's folder")]
    result: Annotated[bool, Field(description="the verdict that is right: true is OK, false is NOK")]
    labels: Annotated[
        list[str] | None, Field(description="the labels of what is found, however often each, and no others")
    ] = None
    holds: Annotated[
        ExpressionText | None, Field(description="an expression over the context at the end that must hold")
    ] = None
    data: Annotated[str, _at_most(MAX_DATA_BYTES), Field(description="what a client would send with it")] = ""
    camera: Annotated[
        str, _at_most(MAX_CAMERA_BYTES), Field(description="which camera a client would say that it is from")
    ] = ""
    view: Annotated[
        str, _at_most(MAX_VIEW_BYTES), Field(description="which view of a part a client would say that it is")
    ] = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """One frame of a proof: its key path, its file, absolute, and what is said of it."""

    where: str
    path: Path
    options: ProofOptions

    @property
    def told(self) -> Told:
        """What a client would say with it."""
        return Told(self.options.data, self.options.camera, self.options.view)

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.where} ({self.options.frame})"

    def differences(self, context: Mapping[str, Any]) -> Iterator[str]:
        """Yield what a context, as a client has it, says otherwise; nothing where it is as it should be."""
        wanted = self.options
        if context["error"]:  # and so NOK, whatever the part is
            yield f"the flow failed, expected {_word(wanted.result)}: {_why(context)}"
            return
        if context["result"] is not wanted.result:
            yield f"is {_word(context['result'])}, expected {_word(wanted.result)}"
        found = found_labels(context)
        if wanted.labels is not None and set(found) != set(wanted.labels):
            yield f"found are {_listed(found)}, expected {_listed(wanted.labels)}"
        if wanted.holds is not None and not expression(wanted.holds).holds(context):
            yield f"{wanted.holds} does not hold"


def found_labels(context: Mapping[str, Any]) -> list[str]:
    """Return the labels of what was found, the first of each rectangle."""
    return [str(each["classNames"][0]["label"]) for each in context["detectedRectangles"] if each["classNames"]]


def read_proofs(
    tables: object, folder: Path, data: Path, views: Sequence[str], mistakes: Mistakes
) -> tuple[Proof, ...]:
    """Read the tables [[proof]] of the project in `folder`; what is returned counts only if there are no mistakes.

    `views` are those of its parts, none where it has none.
    """
    if not isinstance(tables, list):
        mistakes.add("proof", "is no list of tables, expected [[proof]], with two brackets")
        return ()
    if len(tables) > MOST_PROOFS:
        mistakes.add("proof", f"has {len(tables):,} frames, at most {MOST_PROOFS:,} are allowed")
        return ()
    proofs = []
    for index, table in enumerate(tables):
        where = f"proof[{index}]"
        options = mistakes.valid(ProofOptions, table, where)
        frame = table.get("frame") if isinstance(table, dict) else None
        if isinstance(frame, str) and frame:
            _check_file(frame, f"{where}.frame", folder, data, mistakes)
        if options and options.view and views and options.view not in views:
            mistakes.add(f"{where}.view", f"{options.view!r} is no view of a part, expected one of {', '.join(views)}")
        if options:
            proofs.append(Proof(where, folder / options.frame, options))
    return tuple(proofs)


def _check_file(frame: str, where: str, folder: Path, data: Path, mistakes: Mistakes) -> None:
    try:
        path = find_file(folder, frame)
    except ValueError as error:
        mistakes.add(where, str(error))
        return
    if path.resolve().is_relative_to(data):
        mistakes.add(where, f"{frame} lies in the data folder, which is no part of a version")


def _word(result: object) -> str:
    return "OK" if result else "NOK"


def _listed(labels: list[str]) -> str:
    return ", ".join(sorted(set(labels))) or "none"


def _why(context: Mapping[str, Any]) -> str:
    """Return the first error of a flow that could not do its work, and where it was."""
    first = next((entry for entry in context["errors"] if isinstance(entry, dict)), {})
    said = ": ".join(str(first[key]) for key in ("type", "message") if first.get(key))
    where = f" ({first['file']}, line {first['line']})" if first.get("file") and first.get("line") else ""
    return f"{said or 'without a message'}{where}"
