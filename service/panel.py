"""The page for people: server-rendered, works without scripts. Templates are in `service/templates`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import falcon
import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from service.body import small_body
from service.keyring import Scope
from service.keys import require
from workers.errors import FramemillError, InvalidParameter
from workers.job import Job, Task

if TYPE_CHECKING:
    from service.analyze import Desk
    from service.status import Status
    from service.switch import ProcessSwitch

# nothing from elsewhere, no script at all, and nobody may frame the page
_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
_FORM_BYTES = 1000
_SHOWN_RECTANGLES = 12


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("service"), autoescape=select_autoescape(), undefined=StrictUndefined, trim_blocks=True
    )


class Panel:
    """`GET /`: the Process switch, workers and queue, the last frame with its verdict, counters."""

    def __init__(self, desk: Desk, status: Status) -> None:
        self._desk = desk
        self._status = status
        self._page = _templates().get_template("panel.html")

    def on_get(self, _: falcon.Request, resp: falcon.Response) -> None:
        """Render the page."""
        resp.text = self._page.render(now=self._status.snapshot(), last=self._last_frame())
        resp.content_type = falcon.MEDIA_HTML
        resp.set_header("Content-Security-Policy", _POLICY)
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Referrer-Policy", "same-origin")
        resp.set_header("Cache-Control", "no-store")

    def _last_frame(self) -> dict[str, Any] | None:
        """The context of the last frame and the address of its picture; None where there is none to show."""
        pool = self._desk.pool
        newest = pool.control.newest_frame()
        if newest is None:
            return None
        source, generation = newest
        deadline_ns = time.monotonic_ns() + self._desk.settings.deadline_ms * 1_000_000
        try:
            with pool.lease(deadline_ns, self._desk.settings.queue_ms) as lease:
                job = Job(task=Task.SHOW, source=source, source_generation=generation)
                context = orjson.loads(bytes(lease.run(job, 0).context))
        except FramemillError:
            return None
        rectangles = context["detectedRectangles"]
        return {
            "context": context,
            "rectangles": rectangles[:_SHOWN_RECTANGLES],
            "more": max(0, len(rectangles) - _SHOWN_RECTANGLES),
            # a number that changes with the frame, so that no browser shows an older picture
            "tag": f"{source}-{generation}",
        }


class PanelSwitch:
    """`POST /process`: the switch of the page, a plain form."""

    def __init__(self, switch: ProcessSwitch) -> None:
        self._switch = switch

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Throw the switch and show the page again."""
        require(req, Scope.OPERATE)
        wanted = small_body(req, _FORM_BYTES)
        if wanted not in {b"process=on", b"process=off"}:
            raise InvalidParameter("the form was expected to hold process=on or process=off")
        self._switch.throw(on=wanted == b"process=on")
        resp.status = 303
        resp.set_header("Location", "./")
