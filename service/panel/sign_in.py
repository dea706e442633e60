"""Signing in to the page with a key, and out again; both are in the log of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.access.sessions import COOKIE
from service.panel.forms import form_of
from service.panel.pages import go_to
from workers.errors import TooManyAttempts, Unauthorized

if TYPE_CHECKING:
    import falcon

    from service.access.key_check import Access
    from service.changes.log import Changes
    from service.panel.pages import Pages

_FORM_BYTES = 8000


class SignIn:
    """`GET /sign_in`: a form for a key; `POST` gives the browser its cookie. Whoever signs in has no key yet."""

    def __init__(self, pages: Pages, access: Access, changes: Changes) -> None:
        self._pages = pages
        self._access = access
        self._changes = changes

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the form; without keys there is nothing to sign in to."""
        if self._access.keys is None:
            go_to(resp, req, "")
            return
        self._pages.show(req, resp, "sign_in.html", "sign_in", to=req.get_param("to") or "", trouble="")

    on_head = on_get

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Sign in, and go to where the browser wanted to."""
        form = form_of(req, _FORM_BYTES)
        to = form.get("to", "")
        keys = self._access.keys
        if keys is None:
            go_to(resp, req, to)
            return
        try:
            client = self._access.client_of(req.remote_addr, keys.ring.find(form.get("key", "").strip()))
        except (Unauthorized, TooManyAttempts) as error:
            is_wrong = isinstance(error, Unauthorized)
            self._pages.show(req, resp, "sign_in.html", "sign_in", to=to, trouble="wrong" if is_wrong else "too_many")
            resp.status = 401 if is_wrong else 429
            if not is_wrong:
                resp.set_header("Retry-After", str(error.retry_after_s))
            return
        self._access.sessions.begin(req, resp, client)
        self._changes.note(client.name, req.remote_addr, "signed_in", {"scope": client.scope.name.lower()})
        go_to(resp, req, to)


class SignOut:
    """`POST /sign_out`: ends the session of this browser."""

    def __init__(self, access: Access, changes: Changes) -> None:
        self._access = access
        self._changes = changes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """End it, and show the form."""
        keys = self._access.keys
        if keys is not None:
            for cookie in req.get_cookie_values(COOKIE) or ():
                client = self._access.sessions.client(cookie, keys.ring)
                self._access.sessions.end(resp, cookie, keys.ring)
                if client is not None:
                    self._changes.note(client.name, req.remote_addr, "signed_out")
        go_to(resp, req, "sign_in")
