"""What went wrong, as a page where a person's browser asked for one; programs get it as ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from service.access.key_check import is_of_browser

if TYPE_CHECKING:
    import falcon

    from service.panel.pages import Pages

_FOR_PROGRAMS = ("/api/", "/analyze", "/metrics", "/live/")

Handler = Callable[["falcon.Request", "falcon.Response", Any, dict[str, Any]], None]


def as_page(pages: Pages, handler: Handler) -> Handler:
    """Return a handler of errors that does what `handler` does, and says it in a page to browsers."""

    def handle(req: falcon.Request, resp: falcon.Response, error: Any, params: dict[str, Any]) -> None:
        handler(req, resp, error, params)
        if not is_of_browser(req) or req.path.startswith(_FOR_PROGRAMS) or not resp.data:
            return
        problem = orjson.loads(resp.data)
        resp.data = None
        pages.show(req, resp, "trouble.html", "trouble", problem=problem)

    return handle
