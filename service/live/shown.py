"""The last frame as pages show it: drawn once for all of them, and not more often than workers can spare."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from service.analysis.once_more import last_frame
from service.own_errors import NotFound
from workers.errors import FramemillError
from workers.pool.job import ResponseType

if TYPE_CHECKING:
    import falcon

    from service.analysis.analyze import Desk

_PAUSE_S = 0.5
_SHARE = 25  # of a worker's time, one part in so many at most
_LONGEST_PAUSE_S = 5.0
_KEPT = 3  # pictures: a page asks for the one that it was told of


class Shown(NamedTuple):
    """The last frame: its number, when it was done (CLOCK_MONOTONIC), its context; or what went wrong."""

    tag: int
    done_ns: int
    context: dict[str, Any]
    trouble: str = ""


class LastFrame:
    """Has the last frame drawn; for all threads of a front."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._shown: Shown | None = None
        self._pictures: dict[int, bytes] = {}
        self._wait_until_s = 0.0
        self._lock = threading.Lock()

    def look(self, *, fresh: bool = False) -> Shown | None:
        """Return the last frame; of a moment ago where it would cost too much to draw each, and it need not be `fresh`.

        None before the first.
        """
        done_ns = self._desk.pool.control.newest_done_ns
        if not done_ns:
            return None
        with self._lock:
            return self._look(done_ns, fresh=fresh)

    def _look(self, done_ns: int, *, fresh: bool) -> Shown | None:
        now_s = time.monotonic()
        if (self._shown is not None and self._shown.tag == done_ns) or (now_s < self._wait_until_s and not fresh):
            return self._shown
        try:
            with last_frame(self._desk.pool, self._desk.settings, ResponseType.PREVIEW) as reply:
                picture, context = bytes(reply.picture), orjson.loads(bytes(reply.context))
        except FramemillError as error:
            self._shown = Shown(0, done_ns, {}, error.message)
            self._wait_until_s = now_s + _PAUSE_S
            return self._shown
        ended_s = time.monotonic()
        self._wait_until_s = ended_s + min(_LONGEST_PAUSE_S, max(_PAUSE_S, _SHARE * (ended_s - now_s)))
        kept = [*self._pictures.items(), (done_ns, picture)]
        self._pictures = dict(kept[-_KEPT:])
        self._shown = Shown(done_ns, done_ns, context)
        return self._shown

    def picture(self, tag: int) -> bytes | None:
        """Return the picture of a frame; the newest there is where it was another front that looked at that one."""
        if tag not in self._pictures:
            self.look()
        pictures = self._pictures
        return pictures.get(tag) or next(reversed(pictures.values()), None)


class LivePicture:
    """`GET /live/picture?frame=TAG`: the last frame, annotated, as a JPEG of at most 1,280 px."""

    def __init__(self, frames: LastFrame) -> None:
        self._frames = frames

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with the picture that is there already; seldom anything is drawn for it."""
        tag = req.get_param("frame") or ""
        picture = self._frames.picture(int(tag) if tag.isascii() and tag.isdigit() and len(tag) < 20 else 0)
        if picture is None:
            raise NotFound("no frame has been looked at here yet")
        resp.content_type = "image/jpeg"
        resp.set_header("Cache-Control", "no-store")
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.data = picture

    on_head = on_get
