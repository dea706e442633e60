"""The page Threshold: scores of a time beside a line; which stored parts another would turn over; and it is applied."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import falcon

from service.access.keyring import Scope
from service.access.route import Route, root_of
from service.own_errors import HistoryAway, NoHistory, NotFound
from service.panel.forms import form_of
from service.panel.operating.inputs_page import InputsPage, InputsSince
from service.panel.pages import go_to, send_as_page
from service.thresholds.scores import Stretch, Turned, read_stretch, spread, turned_over, with_pictures
from workers.errors import ChangeRefused, InvalidParameter

if TYPE_CHECKING:
    from service.history.stored import Stored
    from service.inputs.resource import InputsTable
    from service.panel.pages import Pages
    from service.thresholds.adjustable import Running, Threshold
    from service.thresholds.changing import ThresholdDesk

HOURS = (1, 8, 24, 168, 720)
_HOURS = 24
_HOUR_NS = 3600 * 10**9
_SHOWN = 24  # pictures of each kind
_FRESH_S = 10.0
_WAIT_S = 60.0
_LONGEST_NUMBER = 40


class Chosen(NamedTuple):
    """What is looked at: a threshold (None where there is none), a time, and where the line was moved to."""

    running: Running
    threshold: Threshold | None
    hours: int
    line: float | None


class ThresholdPage:
    """`/threshold`: GET shows it, POST applies what the line was moved to."""

    def __init__(self, pages: Pages, desk: ThresholdDesk, stored: Stored) -> None:
        self._pages = pages
        self._desk = desk
        self._view = _View(stored)

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Show the page; with `applied` it says which version a change has made."""
        chosen = _chosen(self._desk.running, dict(req.params))
        self._show(req, resp, chosen, applied=(req.get_param("applied") or "")[:16])

    on_head = on_get

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Apply it, and show what came of that."""
        fields = form_of(req)
        running = self._desk.running
        chosen = _chosen(running, {**fields, "line": ""})
        threshold = chosen.threshold
        if threshold is None or threshold.key != fields.get("threshold"):
            raise InvalidParameter("the version that runs has no such threshold; look again")
        value = None if "back" in fields else _number(fields.get("value", ""))
        if value is None and "back" not in fields:
            raise InvalidParameter(f"{threshold.option} was expected to be a number")
        if fields.get("version") != running.version:
            self._show(req, resp, chosen, refused=f"version {running.version} runs by now; look again")
            resp.status = 409
            return
        if value == threshold.value or (value is None and not threshold.is_changed):
            go_to(resp, req, f"threshold?threshold={threshold.key}&hours={chosen.hours}")
            return
        try:
            done = self._desk.change(req, running, {threshold: value}, _WAIT_S)
        except ChangeRefused as error:
            self._show(req, resp, chosen, refused=error.message)
            resp.status = 409
            return
        told = done.version if done.outcome else "later"
        go_to(resp, req, f"threshold?threshold={threshold.key}&hours={chosen.hours}&applied={told}")

    def _show(
        self, req: falcon.Request, resp: falcon.Response, chosen: Chosen, *, applied: str = "", refused: str = ""
    ) -> None:
        said = {"applied": applied, "refused": refused, "all_hours": HOURS}
        self._pages.show(req, resp, "threshold.html", "threshold", **self._view.of(chosen), **said)

    def show_line(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with the piece of the page that follows the line."""
        chosen = _chosen(self._desk.running, dict(req.params))
        if chosen.threshold is None:
            raise NotFound("the version that runs has no threshold")
        scope = getattr(req.context, "scope", None)
        language = self._pages.language(req)
        resp.text = self._pages.piece(
            "threshold_line.html", language, root_of(req.path), scope, **self._view.of(chosen)
        )
        send_as_page(resp, language)


class ThresholdLine:
    """`GET /threshold/line`: what of the page follows the line."""

    def __init__(self, page: ThresholdPage) -> None:
        self._page = page

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Render it."""
        self._page.show_line(req, resp)


class _View:
    """What the page shows, of what is stored."""

    def __init__(self, stored: Stored) -> None:
        self._stored = stored
        self._lock = threading.Lock()
        self._known: tuple[int, float, Stretch] | None = None

    def of(self, chosen: Chosen) -> dict[str, Any]:
        """Return what its templates need."""
        threshold = chosen.threshold
        known: dict[str, Any] = {"running": chosen.running, "chosen": chosen, "threshold": threshold, "scores": None}
        known["why_none"] = ""
        if threshold is None or threshold.line is None:
            return known
        try:
            stretch = self._stretch(chosen.hours)
            now = stretch.line if threshold.value is None else threshold.value / threshold.line.factor
            if not stretch.frames or now is None:
                return known
            line = now if chosen.line is None else chosen.line
            turned = turned_over(stretch.frames, now, line, above=threshold.line.above)
            shown = [*turned.to_ok[:_SHOWN], *turned.to_nok[:_SHOWN]]
            with self._stored.read() as connection:
                kept = with_pictures(connection, shown) if shown else set()
        except NoHistory:
            return known | {"why_none": "no_history"}
        except HistoryAway:
            return known | {"why_none": "history_away"}
        return known | {
            "scores": _drawn(stretch, turned, now, line),
            "kept": kept,
            "most_shown": _SHOWN,
            "value": round(line * threshold.line.factor, 10),
        }

    def _stretch(self, hours: int) -> Stretch:
        """Return the frames of the last hours; while a line is moved, those that were read some seconds ago."""
        with self._lock:
            if self._known and self._known[0] == hours and time.monotonic() - self._known[1] < _FRESH_S:
                return self._known[2]
            now_ns = time.time_ns()
            with self._stored.read() as connection:
                stretch = read_stretch(connection, now_ns - hours * _HOUR_NS, now_ns)
            self._known = hours, time.monotonic(), stretch
            return stretch


def _drawn(stretch: Stretch, turned: Turned, now: float, line: float) -> dict[str, Any]:
    """Return the histogram in units of a picture of 960 x 240, and numbers beside it."""
    scores = [frame.score for frame in stretch.frames]
    low, high = min(*scores, now, line, 0.0), max(*scores, now, line)
    room = (high - low) * 0.05 or 0.5
    step = 10.0 ** math.floor(math.log10((high - low + room) / 200))
    low, high = math.floor((low - room if low < 0 else low) / step) * step, math.ceil((high + room) / step) * step
    bins = spread(stretch.frames, low, high)
    most = max(max(one.ok, one.nok) for one in bins)

    def across(value: float) -> float:
        return round(960 * (value - low) / (high - low), 1)

    bars = []
    for one in bins:
        x, width = across(one.begin), (across(one.end) - across(one.begin)) / 2 - 0.5
        for count, kind, left in ((one.ok, "ok", x), (one.nok, "nok", x + width)):
            if count:
                # of a single frame something is to be seen beside thousands
                height = max(3.0, 220 * math.sqrt(count / most))
                bars.append((kind, round(left, 1), round(230 - height, 1), round(width, 1), round(height, 1), count))
    digits = max(0, min(6, -math.floor(math.log10(step))))
    return {
        "frames": len(stretch.frames),
        "is_cut": stretch.is_cut,
        "bars": bars,
        "low": round(low, 9),
        "high": round(high, 9),
        "step": round(step, 9),
        "digits": digits,
        "now": now,
        "line": line,
        "now_x": across(now),
        "line_x": across(line),
        "turned": turned,
        "ok": sum(one.ok for one in bins),
        "nok": sum(one.nok for one in bins),
    }


def _chosen(running: Running, params: dict[str, Any]) -> Chosen:
    threshold = running.of(str(params.get("threshold", "")))
    if threshold is None:  # those that scores are compared with come first
        threshold = next((one for one in running.thresholds if one.line), next(iter(running.thresholds), None))
    hours = str(params.get("hours", ""))
    found = int(hours) if hours in map(str, HOURS) else _HOURS
    return Chosen(running, threshold, found, _number(str(params.get("line", ""))))


def _number(text: str) -> float | None:
    plain = text.strip().replace(",", ".")
    if not plain or len(plain) > _LONGEST_NUMBER:
        return None
    try:
        number = float(plain)
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) < 1e12 else None


def routes(pages: Pages, inputs: InputsTable, desk: ThresholdDesk, stored: Stored) -> Iterable[Route]:
    """Yield what this room answers."""
    yield Route("/inputs", InputsPage(pages, inputs), changes=Scope.OPERATE, for_page=True)
    yield Route("/inputs/since", InputsSince(pages, inputs), for_page=True)
    page = ThresholdPage(pages, desk, stored)
    yield Route("/threshold", page, changes=Scope.OPERATE, for_page=True)
    yield Route("/threshold/line", ThresholdLine(page), for_page=True)
