"""The page for people: server-rendered, works without scripts. Templates are in `service/panel/templates`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import falcon
import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from service.intake.body import small_body
from workers.errors import FramemillError, InvalidParameter

if TYPE_CHECKING:
    from service.analysis.analyze import Desk
    from service.api.status import Status
    from service.api.switch import ProcessSwitch

# nothing from elsewhere, no script at all, and nobody may frame the page
_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_FORM_BYTES = 1000
_SHOWN_RECTANGLES = 12
_JUST_NOW_S = 10  # the page is drawn anew every five


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("service.panel"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
    )


class Panel:
    """`GET /`: the Process switch, workers and queue, the last frame with its verdict, counters."""

    def __init__(self, desk: Desk, status: Status) -> None:
        self._desk = desk
        self._status = status
        self._page = _templates().get_template("panel.html")

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Render the page."""
        resp.text = self._page.render(
            now=self._status.snapshot(), last=self._last_frame(), why_off=self._desk.switch.why_off
        )
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", _POLICY)
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Referrer-Policy", "same-origin")
        resp.set_header("Cache-Control", "no-store")

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
            "age": age((now_ns - done_ns) // 10**9),
            "rectangles": rectangles[:_SHOWN_RECTANGLES],
            "more": max(0, len(rectangles) - _SHOWN_RECTANGLES),
            # a number that changes with the frame, so that no browser shows an older picture
            "tag": done_ns,
        }


def age(seconds: int) -> str:
    """Say in words how long ago something was: the largest whole unit is enough."""
    for unit_s, unit in ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        count = seconds // unit_s
        if count > 0 and seconds >= _JUST_NOW_S:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


class PanelSwitch:
    """`POST /process`: the switch of the page, a plain form."""

    def __init__(self, switch: ProcessSwitch) -> None:
        self._switch = switch

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Throw the switch and show the page again."""
        wanted = small_body(req, _FORM_BYTES)
        if wanted not in {b"process=on", b"process=off"}:
            raise InvalidParameter("the form was expected to hold process=on or process=off")
        self._switch.throw(on=wanted == b"process=on")
        resp.status = 303
        resp.set_header("Location", "./")
