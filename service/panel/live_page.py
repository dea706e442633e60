"""The page Live: the Process switch, workers and queue, the last frame with its verdict, counters."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import orjson

from service.changes.asker import asker
from service.panel.forms import form_of
from service.panel.pages import go_to
from workers.errors import FramemillError, InvalidParameter

if TYPE_CHECKING:
    import falcon

    from service.analysis.analyze import Desk
    from service.api.status import Status
    from service.changes.log import Changes
    from service.panel.pages import Pages

_SHOWN_RECTANGLES = 12


class LivePage:
    """`GET /`."""

    def __init__(self, pages: Pages, desk: Desk, status: Status) -> None:
        self._pages = pages
        self._desk = desk
        self._status = status

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Render the page."""
        known = {"now": self._status.snapshot(), "last": self._last_frame(), "why_off": self._desk.switch.why_off}
        self._pages.show(req, resp, "live.html", "live", **known)

    on_head = on_get

    def _last_frame(self) -> dict[str, Any] | None:
        """What was found in the last frame and how old that is, or why it cannot be shown; None before the first."""
        done_ns = self._desk.pool.control.newest_done_ns
        if not done_ns:
            return None
        now_ns = time.monotonic_ns()
        try:
            with self._desk.last_frame() as reply:
                context = orjson.loads(bytes(reply.context))
        except FramemillError as error:
            return {"trouble": error.message}
        rectangles = context["detectedRectangles"]
        return {
            "trouble": "",
            "context": context,
            "age_s": (now_ns - done_ns) / 1e9,
            "rectangles": rectangles[:_SHOWN_RECTANGLES],
            "more": max(0, len(rectangles) - _SHOWN_RECTANGLES),
            # a number that changes with the frame, so that no browser shows an older picture
            "tag": done_ns,
        }


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
        self._switch.throw(on=wanted == "on")
        self._changes.note(*asker(req), f"process_{wanted}")
        go_to(resp, req, "")
