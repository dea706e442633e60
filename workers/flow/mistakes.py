"""The mistakes of one project file, gathered while it is read: each a line that begins with its key path."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from workers.errors import ProjectInvalid
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
    key = str(detail["loc"][-1]) if detail["loc"] else ""
    _, keys = _model_at(model, detail["loc"])
    path = where + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in keys)
    fields = _model_at(model, detail["loc"][:-1])[0].model_fields
    if detail["type"] == "missing":
        field = fields.get(key)
        return f"{path}: is missing" + (f": {field.description}" if field and field.description else "")
    if detail["type"] == "extra_forbidden":
        return f"{path}: {unknown(list(fields), key)}"
    if detail["type"] == "value_error":
        return f"{path}: {detail['ctx']['error']}"
    what = detail["msg"].replace("Input should", "should")
    return f"{path}: {what[0].lower()}{what[1:]}, got {shown(detail['input'])}"


def _model_at(model: type[BaseModel], where: Sequence[int | str]) -> tuple[type[BaseModel], list[int | str]]:
    """Return the model of the table that the keys and numbers `where` lead to from one of `model`, and those keys.

    Where a table is one of several kinds, `where` has the word that tells them apart: that is no key of the file.
    """
    models, keys = [model], list[int | str]()
    for key in where:
        kinds = [each for each in models if _is_of_kind(each, key)] if len(models) > 1 else []
        if kinds:
            models = kinds
            continue
        keys.append(key)
        field = models[0].model_fields.get(key) if isinstance(key, str) else None
        models = (list(_models_in(field.annotation)) if field else []) or models
    return models[0], keys


def _is_of_kind(model: type[BaseModel], word: int | str) -> bool:
    return any(get_args(field.annotation) == (word,) for field in model.model_fields.values())


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Yield the models that an annotation such as list[Model] or Model | None names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def tables_of(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file; raises ProjectInvalid, which says what is wrong and where."""
    name = path.name
    try:
        # utf-8-sig: editors on Windows put a mark in front
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        msg = f"{name}: there is none in {path.parent}"
    except OSError as error:
        msg = f"{name}: cannot be read: {error.strerror}"
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        msg = f"{name}: line {line} is not UTF-8"
    except tomllib.TOMLDecodeError as error:
        msg = f"{name}: {error}"
    except RecursionError:
        msg = f"{name}: is nested too deeply"
    raise ProjectInvalid(msg)


def unknown(known: Sequence[str], key: str) -> str:
    """Say that `key` is none of `known`, and which of them may be meant."""
    return f"is unknown; known are {', '.join(known)}{meant(key, known)}"
