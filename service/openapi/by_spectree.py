"""spectree's document, made of our routes and rows: it decorates functions of its own, none that answers a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel
from spectree import Response, SpecTree
from spectree.plugins.base import BasePlugin

from service.openapi.answers import Problem
from service.openapi.operation import DONE, Operation

_INVALID = 400


class Described(NamedTuple):
    """A path, the names of its fields, and the operations there by their methods."""

    path: str
    fields: list[str]
    operations: dict[str, Operation]


class _OurRoutes(BasePlugin[Any]):
    """What spectree asks of a framework: which routes there are, and the function of each method."""

    def find_routes(self) -> Iterable[Described]:
        return list(self.spectree.app)

    def parse_func(self, route: Described) -> Iterator[tuple[str, Callable[[], None]]]:
        for method, operation in route.operations.items():
            yield method, _decorated(self.spectree, method, route.path, operation)

    def parse_path(self, route: Described, _: object) -> tuple[str, list[dict[str, Any]]]:
        schema = {"type": "string", "minLength": 1}
        return route.path, [{"name": name, "in": "path", "required": True, "schema": schema} for name in route.fields]

    def bypass(self, *_: object) -> bool:
        return False

    def register_route(self, app: object) -> None:
        """There are no pages of spectree here."""


def described(routes: Iterable[Described], title: str, version: str, about: str) -> dict[str, Any]:
    """Return the document, as far as spectree makes it."""
    tree = SpecTree(
        backend=_OurRoutes,
        app=list(routes),
        validation_error_status=_INVALID,
        validation_error_model=Problem,
        naming_strategy=_name,
        nested_naming_strategy=lambda parent, child: f"{parent}.{child}",
        annotations=False,
        title=title,
        version=version,
        description=about,
    )
    found: dict[str, Any] = tree.spec
    return found


def _decorated(tree: SpecTree, method: str, path: str, operation: Operation) -> Callable[[], None]:
    def asked() -> None: ...

    asked.__doc__ = operation.summary
    answers = {f"HTTP_{status}": model for status, model in (operation.answers or DONE).items()}
    decorate = tree.validate(
        query=operation.query,
        json=operation.body,
        form=operation.form,
        resp=Response(**answers),
        operation_id=f"{method.lower()} {path}",
        skip_validation=True,
    )
    found: Callable[[], None] = decorate(asked)
    return found


def _name(model: type[BaseModel]) -> str:
    return model.__name__
