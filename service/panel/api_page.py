"""The page that describes the API and tries it, from the server's own description."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import falcon

    from service.panel.pages import Pages


class ApiPage:
    """`GET /api/docs`."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Render it; what it shows its script reads from /openapi.json."""
        self._pages.show(req, resp, "api.html", "api")

    on_head = on_get
