"""The page Log: who changed what, from where and when; and the sessions of the page, which can be ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.access.keyring import Scope
from service.access.sessions import session_of
from service.changes.asker import asker
from service.own_errors import NotFound
from service.panel.forms import form_of
from service.panel.pages import go_to
from workers.errors import Forbidden, InvalidParameter

if TYPE_CHECKING:
    import falcon

    from service.access.key_check import Access
    from service.access.open_sessions import Session
    from service.changes.log import Changes
    from service.panel.pages import Pages

_A_PAGE = 50
_NUMBER_CHARS = 20


class LogPage:
    """`GET /log`; `before` is the cursor of the next page."""

    def __init__(self, pages: Pages, access: Access, changes: Changes) -> None:
        self._pages = pages
        self._access = access
        self._changes = changes

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show some changes, and on the first page the sessions."""
        before = req.get_param("before") or ""
        if before and not (before.isascii() and before.isdigit() and len(before) < _NUMBER_CHARS):
            raise InvalidParameter("before was expected to be what a link of this page says")
        changes = self._changes.newest(_A_PAGE + 1, int(before) if before else None)
        here = getattr(req.context, "cookie", None)
        self._pages.show(
            req,
            resp,
            "log.html",
            "log",
            changes=changes[:_A_PAGE],
            older=changes[_A_PAGE - 1].time_ns if len(changes) > _A_PAGE else None,
            is_first=not before,
            sessions=self._access.sessions.open.all() if self._access.keys is not None else [],
            this_session=session_of(here) if here else "",
            may_end=lambda session: _may_end(req, session),
        )

    on_head = on_get


class SessionEnd:
    """`POST /log/end`: ends a session, one's own or, with a key for administration, anybody's."""

    def __init__(self, access: Access, changes: Changes) -> None:
        self._access = access
        self._changes = changes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """End it in all fronts."""
        wanted = form_of(req).get("session", "")
        session = next((one for one in self._access.sessions.open.all() if one.id == wanted), None)
        if session is None:
            raise NotFound("there is no such session, or it has ended")
        if not _may_end(req, session):
            raise Forbidden(f"a session of {session.who} can be ended with its key, or with one for admin")
        self._access.sessions.open.end(session.id)
        self._changes.note(*asker(req), "session_ended", {"of": session.who, "from": session.address})
        go_to(resp, req, "log")


def _may_end(req: falcon.Request, session: Session) -> bool:
    scope = getattr(req.context, "scope", None)
    return scope is not None and (scope >= Scope.ADMIN or session.who == req.context.client)
