"""The document, made of the routes that the server has and of what is written of them; once, for who first asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import falcon
import orjson

if TYPE_CHECKING:
    from service.access.route import Route
    from service.openapi.operation import Operation

_METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "PATCH")
_FIELD = re.compile(r"\{(\w+)(?::\w+)?\}")
_ABOUT = "Errors are problems of RFC 9457. `x-scope` is what a key must be for."
_SECURITY = {
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "bearer": {"type": "http", "scheme": "bearer"},
    "query": {"type": "apiKey", "in": "query", "name": "api_key"},
    "cookie": {"type": "apiKey", "in": "cookie", "name": "framemill"},
}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
UNDESCRIBED = "x-undescribed"


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
        # imported here: a front that nobody asks loads neither spectree nor models of answers
        from service.openapi.by_spectree import Described, described  # noqa: PLC0415
        from service.openapi.operation import Operation  # noqa: PLC0415
        from service.openapi.operations import OPERATIONS  # noqa: PLC0415

        served: dict[str, tuple[Route, dict[str, Operation]]] = {}
        for route in self._routes:
            path = _FIELD.sub(r"{\1}", route.path)
            known = OPERATIONS.get(path, {})
            methods = [method for method in _METHODS if hasattr(route.resource, f"on_{method.lower()}")]
            served[path] = route, {method: known.get(method, Operation(UNDESCRIBED)) for method in methods}
        of_paths = [Described(path, _FIELD.findall(path), operations) for path, (_, operations) in served.items()]
        found = described(of_paths, "Framemill", version("framemill"), _ABOUT)
        for path, (route, operations) in served.items():
            for method, operation in operations.items():
                self._complete(found["paths"][path][method.lower()], route, method, operation)
        found["components"]["securitySchemes"] = _SECURITY
        found.pop("security")  # each operation has its own
        return found

    def _complete(self, made: dict[str, Any], route: Route, method: str, operation: Operation) -> None:
        """Add what spectree has no words for: types beside JSON, problems, and who may ask."""
        if operation.summary == UNDESCRIBED:
            made[UNDESCRIBED] = True
        error = _PROBLEM | ({"text/html": {"schema": {}}} if operation.form or "text/html" in operation.kinds else {})
        if method == "HEAD":
            error = {}
        for status, answer in made["responses"].items():
            if int(status) not in operation.answers:
                answer["content"] = error
            elif int(status) == 200 and method != "HEAD":
                answer.setdefault("content", {}).update({kind: {"schema": {}} for kind in operation.kinds})
        made["responses"]["default"] = {"description": "An error", "content": error}
        if operation.form:
            content = made["requestBody"]["content"]
            content["application/x-www-form-urlencoded"] = content.pop("multipart/form-data")
        if operation.sent:
            made["requestBody"] = {"required": True, "content": {kind: {"schema": {}} for kind in operation.sent}}
        if self._keys_are_set and not route.is_open:
            names = ["header", "bearer", "query", *(["cookie"] if route.for_page else [])]
            made["security"] = [{name: []} for name in names]
            made["x-scope"] = route.needs(method).name.lower()
