"""Bodies and queries that a model describes: read strictly, with all mistakes told at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel, ValidationError

from service.intake.body import small_body
from service.intake.params import once
from workers.errors import InvalidParameter
from workers.text import is_utf8

if TYPE_CHECKING:
    import falcon

_BODY_BYTES = 1 << 16
_MOST_SHOWN = 60

_Model = TypeVar("_Model", bound=BaseModel)


def checked_body(req: falcon.Request, model: type[_Model], most_bytes: int = _BODY_BYTES) -> _Model:
    """Return the JSON of a request's body as `model` has it; raises InvalidParameter, and what `small_body` raises."""
    body = small_body(req, most_bytes)
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidParameter(f"the body is no JSON: {error}; expected {_expected(model)}") from None
    if not isinstance(document, dict):
        raise InvalidParameter(f"the body is no object of JSON; expected {_expected(model)}")
    return checked(document, model)


def checked_query(req: falcon.Request, model: type[_Model]) -> _Model:
    """Return a request's query as `model` has it, each parameter once; `api_key` is no part of it."""
    pairs = parse_qsl(req.query_string, keep_blank_values=True, errors="surrogateescape")
    values = once((name, value) for name, value in pairs if name != "api_key")
    for name, value in values.items():
        if not is_utf8(name + value):
            raise InvalidParameter(f"{_shown(name)} is not UTF-8")
    return checked(values, model)


def checked(values: Mapping[str, Any], model: type[_Model]) -> _Model:
    """Return them as `model` has them; raises InvalidParameter with all mistakes."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidParameter("; ".join(_words(one, model) for one in error.errors(include_url=False))) from None


def _words(one: Any, model: type[BaseModel]) -> str:
    where = ".".join(str(part)[:_MOST_SHOWN] for part in one["loc"])
    if one["type"] == "extra_forbidden":
        return f"{where} is unknown; expected {_expected(model)}"
    if one["type"] == "missing":
        return f"{where} is missing{_what_it_is(one['loc'], model)}"
    message = one["msg"].removeprefix("Value error, ")
    said = f"{where}: {message[0].lower()}{message[1:]}" if where else message
    return said if one["type"] == "value_error" else f"{said}, got {_shown(one['input'])}"


def _expected(model: type[BaseModel]) -> str:
    return ", ".join(field.alias or name for name, field in model.model_fields.items())


def _what_it_is(loc: tuple[str | int, ...], model: type[BaseModel]) -> str:
    """Say what a field of `model` itself is."""
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    field = fields.get(str(loc[0])) if len(loc) == 1 else None
    return f": {field.description}" if field and field.description else ""


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}..."
