"""What the page Live shows of a moment, and its pieces, each rendered once for all pages of a front."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from service.access.keyring import Scope
    from service.analysis.analyze import Desk
    from service.api.status import Status
    from service.live.seen import Seen
    from service.live.shown import LastFrame, Shown
    from service.live.watching import View
    from service.panel.languages import Language
    from service.panel.live.since_shift import Counts
    from service.panel.live.strip import Strip
    from service.panel.pages import Pages

PIECES = ("alerts", "process", "failing", "numbers", "frame", "rejected", "health")
"""Of the page, each with a template `live_NAME.html`; the event of that name brings it anew."""

_SHOWN_RECTANGLES = 12
_SHOWN_REJECTED = 6
_SHOWN_CAMERAS = 8


class Variant(NamedTuple):
    """For whom a piece is rendered."""

    language: str
    scope: Scope | None


class LiveView:
    """Gathers what is known; `more` are values of others that templates of pieces use, by their names."""

    def __init__(
        self,
        pages: Pages,
        desk: Desk,
        status: Status,
        frames: LastFrame,
        *,
        strip: Strip,
        counts: Callable[[dict[str, Any]], Counts],
        more: Mapping[str, Callable[[], Any]],
    ) -> None:
        self._pages = pages
        self._desk = desk
        self._status = status
        self._frames = frames
        self._strip = strip
        self._counts = counts
        self._more = more

    def of(self, view: View | None) -> Moment:
        """Return what is known at a moment; without a view all but what comes from the rings, and that of right now."""
        now = self._status.snapshot()
        known = {
            "now": now,
            "why_off": self._desk.switch.why_off,
            "thrown": self._desk.switch.thrown,
            "counts": self._counts(now["frames"]),
            "takt_ms": self._desk.settings.takt_ms,
            "live": self._live(view.seen, view.now_ns) if view else None,
            "last": _last(self._frames.look(fresh=view is None)),
            **{name: value() for name, value in self._more.items()},
        }
        return Moment(self._pages, known)

    def _live(self, seen: Seen, now_ns: int) -> dict[str, Any]:
        rejected = [*seen.rejected][: -_SHOWN_REJECTED - 1 : -1]
        pictures = self._strip.addresses(rejected, now_ns)
        shown = [{**one._asdict(), "picture": pictures.get(one.id)} for one in rejected]
        return {**_live(seen, now_ns), "rejected": shown, "has_parts": self._strip.has_parts}


class Moment:
    """What is known at a moment; its pieces are rendered when they are asked for, and once for each variant."""

    def __init__(self, pages: Pages, known: dict[str, Any]) -> None:
        self.known = known
        self._pages = pages
        self._pieces: dict[Variant, dict[str, str]] = {}
        self._lock = threading.Lock()

    def pieces(self, language: Language, scope: Scope | None) -> Mapping[str, str]:
        """Return all pieces of the page, by their names."""
        variant = Variant(language.code, scope)
        with self._lock:
            found = self._pieces.get(variant)
            if found is None:
                found = self._pieces[variant] = {
                    name: self._pages.piece(f"live_{name}.html", language, "./", scope, **self.known) for name in PIECES
                }
            return found


def _live(seen: Seen, now_ns: int) -> dict[str, Any]:
    p99_ns = seen.slowest.p99_ns(now_ns)
    cameras = [*seen.cameras.values()]
    return {
        "per_second": seen.rate.per_second(now_ns),
        "p99_ms": None if p99_ns is None else p99_ns / 1e6,
        "cameras": [
            {
                "name": camera.name,
                "age_s": (now_ns - camera.last_ns) / 1e9,
                "per_second": camera.rate.per_second(now_ns),
                "is_silent": camera.is_silent(now_ns),
            }
            for camera in sorted(cameras[-_SHOWN_CAMERAS:], key=lambda one: one.name)
        ],
        "more_cameras": max(0, len(cameras) - _SHOWN_CAMERAS),
    }


def _last(shown: Shown | None) -> dict[str, Any] | None:
    if shown is None:
        return None
    if shown.trouble:
        return {"trouble": shown.trouble}
    rectangles = shown.context["detectedRectangles"]
    return {
        "trouble": "",
        "context": shown.context,
        "age_s": (time.monotonic_ns() - shown.done_ns) / 1e9,
        "rectangles": rectangles[:_SHOWN_RECTANGLES],
        "more": max(0, len(rectangles) - _SHOWN_RECTANGLES),
        # a number that changes with the frame, so that no browser shows an older picture
        "tag": shown.tag,
    }
