"""The module `codes`: reads 1D and 2D codes by zxing-cpp, in attempts that are bounded by time.

    [[flow]]
    module = "codes"
    formats = ["data_matrix"]
    equals = "{data}"

What is read becomes a rectangle with its text; how many fit what the project expects makes the result.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from workers.modules.base import ModuleSurroundings, on_run
from workers.modules.codes.gs1 import GS1Mistake, Values, parsed
from workers.modules.codes.ladder import Attempt, Ladder
from workers.modules.codes.options import DATA, MOST_CODES
from workers.modules.codes.places import Piece
from workers.modules.codes.reading import Code
from workers.modules.measured import keep_measured
from workers.modules.pattern import fits
from workers.modules.region import Area, Region

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.placement import Matrix
    from workers.context.run import Context, Run
    from workers.modules.codes.options import CodesOptions

_LONGEST_LABEL = 60
_LEAST_SIDE_PX = 4.0
_OVERHEAD_PX = 20_000  # what an attempt costs beside its pixels, in pixels
_FITS: dict[str, Any] = {"id": 1, "color": "#009e73", "color_bgr": [115, 158, 0]}
_OTHER: dict[str, Any] = {"id": 2, "color": "#ff0000", "color_bgr": [0, 0, 255]}


def prepare(options: CodesOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts."""
    return on_run(Codes(options), surroundings)


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """A code, what it holds by GS1, and what does not fit; nothing if it does."""

    code: Code
    gs1: Values | None
    why: str


@dataclass(slots=True)
class _Search:
    """What has come of one frame so far; `cost_ns` is that of all `read_px` pixels, `last_ns_px` of one of the last."""

    began_ns: int
    found: list[_Judged] = field(default_factory=list)
    attempts: int = 0
    cost_ns: int = 0
    read_px: int = 0
    last_ns_px: float = 0.0
    all_tried: bool = True

    def add(self, judged: _Judged) -> None:
        """Add a code unless it is there; where two contradict each other, the one that is seen in more stays."""
        code = judged.code
        if any(code.is_same(other.code) for other in self.found):
            return
        against = [other for other in self.found if code.contradicts(other.code)]
        if all(code.area_px > other.code.area_px for other in against) and len(self.found) < MOST_CODES:
            self.found = [other for other in self.found if other not in against] + [judged]

    def would_end_ns(self, size_px: int) -> int:
        """When an attempt of so many pixels would end, if it began now."""
        each_ns = max(self.cost_ns / self.read_px, self.last_ns_px) if self.read_px else 0
        return time.monotonic_ns() + round((size_px + _OVERHEAD_PX) * each_ns)


class Codes:
    """The module."""

    def __init__(self, options: CodesOptions) -> None:
        self._options = options
        self._region = Region(options.region)
        self._ladder = Ladder(options.formats)
        self._pattern = re.compile(options.pattern) if options.pattern is not None else None

    def __call__(self, context: Context, run: Run) -> None:
        """Read codes in `context["image"]`, (h, w) grey or (h, w, 3) BGR uint8, which is only read."""
        options, image = self._options, context["image"]
        area = self._region.area(image)
        expected = None if options.equals is None else options.equals.replace(DATA, context["data"])
        search = self._search(_grey(image[area.window]), area, expected, run)
        counted = [each for each in search.found if not each.why or options.others == "nok"]
        context["detectedRectangles"] += [_rectangle(each) for each in counted]
        fitting = sum(not each.why for each in search.found)
        values = {
            "count": fitting,
            "found": [_values(each, run.placement) for each in search.found],
            "attempts": search.attempts,
            "all_tried": search.all_tried,
        }
        keep_measured(context, "codes", options.name, values)
        if options.judges:
            most = options.count_max
            right = len(counted) == fitting and options.count_min <= fitting
            context["result"] = right and (most is None or fitting <= most)

    def _search(self, grey: NDArray[np.uint8], area: Area, expected: str | None, run: Run) -> _Search:
        """Try one attempt after the other at `grey`, (h, w), until enough was read, or time is over."""
        search = _Search(time.monotonic_ns())
        ends_ns = search.began_ns + self._options.time_ms * 1_000_000
        step, read = 1, set[Piece]()
        for attempt in self._ladder.attempts(grey):
            run.look_at_time()
            if attempt.step != step and self._is_enough(search):
                break
            step = attempt.step
            if attempt.piece in read:
                continue
            if search.attempts and search.would_end_ns(attempt.size_px) > ends_ns:
                search.all_tried = False
                continue  # a smaller one may still be in time
            if self._tried(attempt, search, area, expected) and attempt.piece is not None:
                read.add(attempt.piece)
        return search

    def _tried(self, attempt: Attempt, search: _Search, area: Area, expected: str | None) -> bool:
        """Make an attempt, and add what it has found that is new; tell whether there was something."""
        began_ns = time.monotonic_ns()
        found = attempt.read()
        took_ns = time.monotonic_ns() - began_ns
        search.cost_ns += took_ns
        search.last_ns_px = took_ns / (attempt.size_px + _OVERHEAD_PX)
        search.read_px += attempt.size_px + _OVERHEAD_PX
        search.attempts += 1
        to_image = np.array([[1, 0, area.x], [0, 1, area.y], [0, 0, 1]], np.float64)
        for code in found:
            if _is_inside(code, area):
                search.add(self._judged(code.placed(to_image), expected))
        return bool(found)

    def _is_enough(self, search: _Search) -> bool:
        fitting = sum(not each.why for each in search.found)
        return fitting >= self._options.wanted or (self._options.others == "nok" and fitting < len(search.found))

    def _judged(self, code: Code, expected: str | None) -> _Judged:
        values, why = None, ""
        if code.is_gs1:
            try:
                values = parsed(code.content.decode("latin-1"))
            except GS1Mistake as mistake:
                why = f"no GS1: {mistake}" if self._options.gs1 else ""
        elif self._options.gs1:
            why = "no GS1: it is not marked as such"
        if expected is not None and code.text != expected:
            why = f"expected {expected!r}"
        if self._pattern is not None and not fits(self._pattern, code.text):
            why = "does not fit the pattern"
        return _Judged(code, values, why)


def _is_inside(code: Code, area: Area) -> bool:
    """Tell whether the middle of `code`, in px of the window, is inside of the region."""
    if area.mask is None:
        return True
    x, y = (
        min(max(int(place), 0), side - 1) for place, side in zip(code.middle, (area.width, area.height), strict=True)
    )
    return bool(area.mask[y, x])


def _grey(window: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `window`, (h, w) or (h, w, 3) BGR, as grey, (h, w), without gaps between its rows."""
    grey = window if window.ndim == 2 else cv2.cvtColor(window, cv2.COLOR_BGR2GRAY)
    return np.ascontiguousarray(grey, np.uint8)


def _values(judged: _Judged, placement: Matrix | None) -> dict[str, Any]:
    """Return what goes into the context: corners are those of the frame."""
    code = judged.code if placement is None else judged.code.placed(placement)
    values: dict[str, Any] = {
        "text": code.text,
        "format": code.format,
        "angle": code.degrees,
        "corners": [{"x": x, "y": y} for x, y in code.corners.tolist()],
        "fits": not judged.why,
    }
    if judged.why:
        values["why"] = judged.why
    if judged.gs1 is not None:
        values["gs1"] = judged.gs1
    return values


def _rectangle(judged: _Judged) -> dict[str, Any]:
    code = judged.code
    # of some stacked codes the reader knows but a line
    (x, y), (width, height) = code.middle, (max(side, _LEAST_SIDE_PX) for side in code.sides_px)
    text = code.text if len(code.text) <= _LONGEST_LABEL else f"{code.text[: _LONGEST_LABEL - 3]}..."
    return {
        "x": x - width / 2,
        "y": y - height / 2,
        "width": width,
        "height": height,
        "rotate": code.degrees,
        "confidence": 1.0,
        "classNames": [{**(_OTHER if judged.why else _FITS), "label": text}],
    }
