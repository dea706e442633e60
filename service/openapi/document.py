"""The document, made of the routes that the server has and of what is written of them; once, for who first asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import falcon
import orjson

from service.errors import STATUS
from service.openapi.operations import JSON, OPERATIONS, PARAMETERS, Operation

if TYPE_CHECKING:
    from service.access.route import Route

_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH")
_FIELD = re.compile(r"\{(\w+)\}")
UNDESCRIBED = "x-undescribed"
_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "description": f"one of {', '.join(STATUS)}, or of an HTTP status"},
        "requestId": {"type": "string"},
    },
}


class OpenApi:
    """`GET /openapi.json`. `routes` may grow until the first request."""

    def __init__(self, routes: Sequence[Route], *, keys_are_set: bool) -> None:
        self._routes = routes
        self._keys_are_set = keys_are_set

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Answer with it."""
        resp.data = self._text
        resp.content_type = falcon.MEDIA_JSON

    on_head = on_get

    @cached_property
    def _text(self) -> bytes:
        return orjson.dumps(self.document())

    def document(self) -> dict[str, Any]:
        """Make it."""
        return {
            "openapi": "3.1.0",
            "info": {
                "title": "Framemill",
                "version": version("framemill"),
                "description": "Errors are problems of RFC 9457. `x-scope` is what a key must be for.",
            },
            "paths": {route.path: self._path(route) for route in self._routes},
            "components": {
                "schemas": {"Problem": _PROBLEM},
                "securitySchemes": {
                    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "query": {"type": "apiKey", "in": "query", "name": "api_key"},
                    "cookie": {"type": "apiKey", "in": "cookie", "name": "framemill"},
                },
            },
        }

    def _path(self, route: Route) -> dict[str, Any]:
        known = OPERATIONS.get(route.path, {})
        methods = [method for method in _METHODS if hasattr(route.resource, f"on_{method.lower()}")]
        fields = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in _FIELD.findall(route.path)
        ]
        found: dict[str, Any] = {"parameters": fields} if fields else {}
        for method in methods:
            operation = known.get(method)
            if operation is None:
                found[method.lower()] = {UNDESCRIBED: True, "responses": {"default": _problem()}}
            else:
                found[method.lower()] = self._operation(route, method, operation)
        return found

    def _operation(self, route: Route, method: str, operation: Operation) -> dict[str, Any]:
        answer = {"description": "As asked for"}
        content = {kind: {"schema": {"type": "object"} if kind == JSON else {}} for kind in operation.answer}
        found: dict[str, Any] = {
            "summary": operation.summary,
            "operationId": f"{method.lower()} {route.path}",
            "parameters": [
                {"name": name, "in": "query", "required": name in operation.needed, **PARAMETERS[name]}
                for name in operation.query
            ],
            "responses": {
                **{str(status): {**answer, "content": content} for status in operation.statuses},
                "default": _problem(),
            },
        }
        if operation.body:
            bodies = {kind: {"schema": operation.shape or {}} for kind in operation.body}
            found["requestBody"] = {"required": True, "content": bodies}
        if self._keys_are_set and not route.is_open:
            names = ["header", "bearer", "query", *(["cookie"] if route.for_page else [])]
            found["security"] = [{name: []} for name in names]
            found["x-scope"] = route.needs(method).name.lower()
        return found


def _problem() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": "An error", "content": {"application/problem+json": {"schema": schema}}}
