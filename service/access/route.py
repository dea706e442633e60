"""Who may ask for a path: what the table of routes says of each (service/server/app.py)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from service.access.keyring import Scope

_FIELD = re.compile(r"\{[^}/]*\}")
_READING = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Route:
    """A path, its resource, and who may ask for it. A `{name}` in it stands for what is between two slashes.

    Everybody with a key may read it; `changes` is what a key must be for to do anything else there. `is_open` paths are
    asked for before there is a key. `acts` says that even a GET does something, so that pages of other sites may not
    ask for it. `for_page` paths are asked for by the page: there a cookie will do. A form that comes by one of the
    methods of `key_in_form` may hold the key. `reads` is what a key must be for to read it, where that is more.
    """

    path: str
    resource: object
    changes: Scope = Scope.ANALYZE
    is_open: bool = False
    acts: bool = False
    for_page: bool = False
    key_in_form: frozenset[str] = frozenset()
    reads: Scope = Scope.ANALYZE

    def needs(self, method: str) -> Scope:
        """What the key of such a request must be for."""
        return self.reads if method in _READING else max(self.reads, self.changes)

    def does_something(self, method: str) -> bool:
        """Whether such a request does; reading is left to browsers, which do not show another site what came back."""
        return self.acts or method not in _READING


class Routes:
    """All routes, by path; a path that is none of them asks for a key or a cookie, then it is not there."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[str, Route] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        for route in routes:
            if "{" in route.path:
                between = map(re.escape, _FIELD.split(route.path))
                self._patterns.append((re.compile("[^/]*".join(between), re.DOTALL), route))
            else:
                self._routes[route.path] = route

    def of(self, path: str) -> Route:
        """Return the route of `path`, or one for what is not there."""
        return self._routes.get(path) or self._by_pattern(path) or Route(path, None, for_page=True)

    def _by_pattern(self, path: str) -> Route | None:
        return next((route for pattern, route in self._patterns if pattern.fullmatch(path)), None)


def root_of(path: str) -> str:
    """Return the way from an address to the server's root: it may lie below the path of another server."""
    return "../" * (path.count("/") - 1) or "./"
