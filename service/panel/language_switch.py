"""`POST /language`: another language for this browser, a plain form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.panel.forms import form_of
from service.panel.languages import COOKIE
from service.panel.pages import go_to
from workers.errors import InvalidParameter

if TYPE_CHECKING:
    import falcon

    from service.panel.pages import Pages

_LASTS_S = 365 * 86_400


class LanguageSwitch:
    """Keeps it in a cookie, and shows the same page again."""

    def __init__(self, pages: Pages, *, secure: bool) -> None:
        self._pages = pages
        self._secure = secure

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Switch, and go back to where the form was."""
        form = form_of(req)
        code = form.get("language", "")
        if code not in self._pages.languages:
            known = " or ".join(self._pages.languages)
            raise InvalidParameter(f"the form was expected to hold language={known}")
        resp.set_cookie(COOKIE, code, max_age=_LASTS_S, path="/", secure=self._secure, same_site="Lax")
        go_to(resp, req, form.get("to", ""))
