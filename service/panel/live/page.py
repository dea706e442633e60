"""The page Live: the Process switch, the last frame with its verdict, numbers, who sends and who follows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from service.changes.asker import asker
from service.live.stream import answer_with_stream, event
from service.panel.forms import form_of
from service.panel.pages import go_to
from workers.errors import InvalidParameter

if TYPE_CHECKING:
    import falcon

    from service.access.keyring import Scope
    from service.analysis.analyze import Desk
    from service.changes.log import Changes
    from service.live.stream import Streams
    from service.live.watching import Watching
    from service.panel.languages import Language
    from service.panel.live.view import LiveView, Moment
    from service.panel.pages import Pages

_PATIENCE_S = 1.0


class LivePage:
    """`GET /`."""

    def __init__(self, pages: Pages, view: LiveView, watching: Watching[Moment]) -> None:
        self._pages = pages
        self._view = view
        self._watching = watching

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Render the page: what comes from the rings as it was last seen, the rest as it is now."""
        moment = self._watching.newest()
        known = self._view.of(None).known
        if moment is not None:
            known["live"] = moment.known["live"]
        self._pages.show(req, resp, "live.html", "live", **known)

    on_head = on_get


class LiveEvents:
    """`GET /live/events`: pieces of the page as they change, for browsers."""

    def __init__(self, pages: Pages, watching: Watching[Moment], streams: Streams) -> None:
        self._pages = pages
        self._watching = watching
        self._streams = streams

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Stream them; all of them first."""
        language, scope = self._pages.language(req), getattr(req.context, "scope", None)
        signed_out = event("alerts", self._pages.piece("live_signed_out.html", language, "./", None))
        answer_with_stream(req, resp, self._streams, lambda: self._changes(language, scope), signed_out)

    def _changes(self, language: Language, scope: Scope | None) -> Iterator[bytes]:
        sent: dict[str, str] = {}
        turn = 0
        while True:
            turn, moment = self._watching.after(turn, _PATIENCE_S)
            pieces = moment.pieces(language, scope) if moment else {}
            changed = {name: piece for name, piece in pieces.items() if sent.get(name) != piece}
            sent |= changed
            yield b"".join(event(name, piece) for name, piece in changed.items())


class PanelSwitch:
    """`POST /process`: the switch of the page, a plain form."""

    def __init__(self, desk: Desk, changes: Changes) -> None:
        self._switch = desk.switch
        self._changes = changes

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Throw the switch and show the page again."""
        wanted = form_of(req).get("process")
        if wanted not in {"on", "off"}:
            raise InvalidParameter("the form was expected to hold process=on or process=off")
        self._switch.throw(on=wanted == "on", by=asker(req))
        self._changes.note(*asker(req), f"process_{wanted}")
        go_to(resp, req, "")
