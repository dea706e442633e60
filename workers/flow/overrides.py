"""Thresholds of modules that were changed while the project ran, in `overrides.toml` of the server's state folder.

    [[override]]
    module = "surface"        # its name, or its number where several are called the same
    option = "threshold"
    value = 0.41

They lie over the project's own options and are a part of its version: its copy has them, and its hash is another with
them. Only options that a module marks as a threshold can be changed so. One that does not fit is a mistake of the
project like any other: on doubt a server runs with no thresholds that nobody has chosen.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from workers.errors import ProjectInvalid
from workers.flow.mistakes import Mistakes
from workers.modules.options import THRESHOLD, ModuleOptions
from workers.text import shown

FILE = "overrides.toml"
IN_COPY = f".framemill/{FILE}"  # no project has a file there that is a part of its version
_MOST = 200
_MOST_BYTES = 1 << 16


class Override(BaseModel):
    """One option of one module."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    module: Annotated[int | str, Field(description="the module's name, or its number where others have that name, too")]
    option: Annotated[str, Field(min_length=1, max_length=100, description="an option that is marked as a threshold")]
    value: Annotated[int | float, Field(allow_inf_nan=False, description="what it is instead")]
    kind: Annotated[str | None, Field(max_length=100, description="with a number: what kind of module it must be")] = (
        None
    )

    @property
    def where(self) -> str:
        """How messages call it."""
        return f"{self.option} of module {shown(self.module)}"


def read_overrides(path: Path) -> tuple[Override, ...]:
    """Read a file; nothing where there is none. Raises ProjectInvalid."""
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except OSError as error:
        raise ProjectInvalid(f"{FILE}: cannot be read: {error.strerror}") from None
    try:
        return parse_overrides(text)
    except ProjectInvalid as error:
        raise ProjectInvalid(f"{error.message}\n({path})") from None


def parse_overrides(text: bytes) -> tuple[Override, ...]:
    """Read the content of such a file; raises ProjectInvalid."""
    mistakes = Mistakes()
    try:
        tables = tomllib.loads(text[: _MOST_BYTES + 1].decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProjectInvalid(f"{FILE}: {error}") from None
    given = tables.pop("override", [])
    if tables or not isinstance(given, list) or len(given) > _MOST or len(text) > _MOST_BYTES:
        raise ProjectInvalid(f"{FILE}: expected tables [[override]] and nothing else, {_MOST} at most")
    found = [mistakes.valid(Override, table, f"{FILE}: override[{index}]") for index, table in enumerate(given)]
    if mistakes.lines:
        raise ProjectInvalid("\n".join(mistakes.lines))
    return tuple(one for one in found if one)


def as_text(overrides: Sequence[Override]) -> bytes:
    """Return the file; the same overrides are always the same bytes, so that they are the same version."""
    tables = []
    for one in sorted(overrides, key=lambda one: (str(one.module), one.option)):
        lines = [f"{key} = {_toml(value)}" for key, value in one.model_dump(exclude_none=True).items()]
        tables.append("\n".join(["[[override]]", *lines, ""]))
    return "\n".join(tables).encode()


def _toml(value: str | float) -> str:
    # a string of JSON is one of TOML, but for one character
    return json.dumps(value).replace("\x7f", "\\u007f") if isinstance(value, str) else repr(value)


def thresholds_of(options: type[ModuleOptions]) -> Iterator[tuple[str, FieldInfo]]:
    """Yield the options of a kind of module that may be changed so."""
    for name, field in options.model_fields.items():
        if isinstance(field.json_schema_extra, Mapping) and THRESHOLD in field.json_schema_extra:
            yield name, field


class Overriding:
    """Lays overrides over the modules of a project while it is read; what fits none of them is a mistake."""

    def __init__(self, overrides: Sequence[Override], mistakes: Mistakes) -> None:
        self._overrides = overrides
        self._mistakes = mistakes
        self._used: dict[int, list[int]] = {index: [] for index in range(len(overrides))}

    def of(self, number: int, own: ModuleOptions, table: Mapping[str, Any]) -> ModuleOptions:
        """Return the options of the module `number`, whose table is `table` and says `own`."""
        changed = dict(table)
        for index, one in enumerate(self._overrides):
            if one.module in (number, own.title) and not isinstance(one.module, bool):
                self._used[index].append(number)
                if why := self._misfit(one, own):
                    self._mistakes.add(f"{FILE}: {one.where}", why)
                else:
                    changed[one.option] = one.value
        if changed == table:
            return own
        return self._mistakes.valid(type(own), changed, f"{FILE}: module {shown(own.title)}") or own

    def tell_unused(self) -> None:
        """Note those that no module, or more than one, is meant by."""
        for one, numbers in zip(self._overrides, self._used.values(), strict=True):
            if not numbers:
                self._mistakes.add(f"{FILE}: {one.where}", "the project has no such module; take it back or mend it")
            elif len(numbers) > 1:
                which = " and ".join(map(str, numbers))
                self._mistakes.add(f"{FILE}: {one.where}", f"modules {which} are called so; expected a number")

    @staticmethod
    def _misfit(one: Override, own: ModuleOptions) -> str:
        if one.kind is not None and one.kind != own.module:
            return f"the module is a {own.module}, expected a {one.kind}"
        names = [name for name, _ in thresholds_of(type(own))]
        if one.option in names:
            return ""
        return f"is no threshold of a {own.module}; thresholds are {', '.join(names) or 'none'}"
