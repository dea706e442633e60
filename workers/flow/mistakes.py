"""The mistakes of one project file, gathered while it is read: each a line that begins with its key path."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from workers.modules.project_files import meant
from workers.text import shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_Options = TypeVar("_Options", bound=BaseModel)


class Mistakes:
    """What was found so far, in `lines`."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, where: str, what: str) -> None:
        """Note `what` is wrong with the key `where`."""
        self.lines.append(f"{where}: {what}")

    def valid(self, model: type[_Options], table: object, where: str) -> _Options | None:
        """Return what `table` holds as a `model`; None where it has mistakes, which are noted."""
        if not isinstance(table, dict):
            self.add(where, f"is {shown(table)}, expected a table")
            return None
        try:
            return model.model_validate(table)
        except ValidationError as error:
            self.lines += [_explained(detail, model, where) for detail in error.errors(include_url=False)]
            return None


def _explained(detail: ErrorDetails, model: type[BaseModel], where: str) -> str:
    """Say in one line, with its key path, what pydantic found."""
    path = where + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
    key = str(detail["loc"][-1]) if detail["loc"] else ""
    fields = _model_at(model, detail["loc"][:-1]).model_fields
    if detail["type"] == "missing":
        field = fields.get(key)
        return f"{path}: is missing" + (f": {field.description}" if field and field.description else "")
    if detail["type"] == "extra_forbidden":
        return f"{path}: {unknown(list(fields), key)}"
    if detail["type"] == "value_error":
        return f"{path}: {detail['ctx']['error']}"
    what = detail["msg"].replace("Input should", "should")
    return f"{path}: {what[0].lower()}{what[1:]}, got {shown(detail['input'])}"


def _model_at(model: type[BaseModel], where: Sequence[int | str]) -> type[BaseModel]:
    """Return the model of the table that the keys and numbers `where` lead to from one of `model`."""
    for key in where:
        field = model.model_fields.get(key) if isinstance(key, str) else None
        inner = next(_models_in(field.annotation), None) if field else None
        model = inner or model
    return model


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation such as list[Model] or Model | None names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def unknown(known: Sequence[str], key: str) -> str:
    """Say that `key` is none of `known`, and which of them may be meant."""
    return f"is unknown; known are {', '.join(known)}{meant(key, known)}"
