"""Tools that look at pixels: each finds its edges in the image, and what they make in the frame and in mm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workers.modules.measure.edges import Edges, find_edges, margin_px
from workers.modules.measure.fits import Circle, Line, mean_circle, mean_line, robust_circle, robust_line
from workers.modules.measure.profiles import STEP_PX, Calipers, Sampler
from workers.modules.measure.shapes import Found, NotFound, Round, Shape, Space, Spot, Straight
from workers.modules.measure.tool_options import CircleTool, EdgeTool, LineTool, WidthTool

if TYPE_CHECKING:
    from collections.abc import Callable

    from workers.context.run import LookAtTime
    from workers.modules.measure.options import Tool
    from workers.modules.measure.tool_options import Polarity

Image = NDArray[np.uint8]

# an edge of a drawn part lies beside its line by less; points are no outliers for that
_LEAST_NOISE_PX = 0.05
_WORDS = {"any": "", "dark_to_light": " from dark to light", "light_to_dark": " from light to dark"}


@dataclass(frozen=True, slots=True)
class Looker:
    """A tool that looks at pixels, with its calipers and their samples, which are the same for every frame."""

    tool: EdgeTool | WidthTool | LineTool | CircleTool
    calipers: Calipers
    sampler: Sampler

    @classmethod
    def of(cls, tool: Tool) -> Looker | None:
        """Return what looks at pixels for `tool`, None for one that does not; raises ProjectInvalid if too large."""
        if not isinstance(tool, EdgeTool | WidthTool | LineTool | CircleTool):
            return None
        calipers = _CALIPERS[type(tool)](tool)
        # where many edges make one shape, their phases between pixels make up for fewer samples
        apart_px = STEP_PX if len(calipers.starts) == 1 else 2 * STEP_PX
        return cls(tool, calipers, Sampler(calipers, margin_px(tool.smoothing_px), apart_px, tool.name))

    def find(self, image: Image, space: Space, look_at_time: LookAtTime) -> Found:
        """Find it in `image`, (h, w) or (h, w, 3) BGR uint8.

        Raises:
            NotFound: it is not there.
            RegionOutside: the image ends before the search does.
        """
        tool = self.tool
        profiles = self.sampler.profiles(image)
        look_at_time()
        edges = find_edges(profiles, tool.smoothing_px, tool.min_contrast_levels)
        look_at_time()
        if isinstance(tool, EdgeTool):
            return self._edge(tool, edges, space)
        if isinstance(tool, WidthTool):
            return self._width(tool, edges, space)
        rows, positions = edges.chosen(tool.min_contrast_levels, tool.polarity, tool.which)
        need = max(2 if isinstance(tool, LineTool) else 3, math.ceil(tool.calipers * tool.min_found_percent / 100))
        if len(rows) < need:
            msg = f"{len(rows)} of {tool.calipers} calipers have {_an_edge(tool)}, expected {need}"
            raise NotFound(msg)
        points = space.px(self.calipers.at(positions, rows))
        fit = self._line if isinstance(tool, LineTool) else self._circle
        return fit(points, need, space)

    def searched(self) -> dict[str, float]:
        """Return the rectangle that was searched: x, y, width, height, rotate, in px of the image."""
        tool, calipers = self.tool, self.calipers
        if isinstance(tool, CircleTool):
            reach = tool.radius_px + tool.search_px
            x, y = tool.centre
            return {"x": x - reach, "y": y - reach, "width": 2 * reach, "height": 2 * reach, "rotate": 0.0}
        begin, end = np.array(tool.start), np.array(tool.end)
        high = 2 * tool.search_px if isinstance(tool, LineTool) else calipers.width_px
        (x, y), (dx, dy) = (begin + end) / 2, end - begin
        wide, turned = math.hypot(dx, dy), math.degrees(math.atan2(dy, dx))
        return {"x": x - wide / 2, "y": y - high / 2, "width": wide, "height": high, "rotate": (turned + 90) % 180 - 90}

    def _edge(self, tool: EdgeTool, edges: Edges, space: Space) -> Found:
        rows, positions = edges.chosen(tool.min_contrast_levels, tool.polarity, tool.which)
        if not len(rows):
            raise NotFound(f"there is not {_an_edge(tool)}")
        begin, end = self.calipers.starts[0], self.calipers.at(positions, rows)[0]
        return _found(np.array([begin, end]), space, lambda points: Spot(points[1], points[0], points[1]))

    def _width(self, tool: WidthTool, edges: Edges, space: Space) -> Found:
        samples = _pair(edges.all_of(0, tool.min_contrast_levels), tool)
        rows = np.zeros(2, np.intp)
        ends = self.calipers.at(edges.placed(rows, np.array(samples, np.intp)), rows)
        return _found(ends, space, lambda points: Spot(points.mean(axis=0), points[0], points[1]))

    def _line(self, points: NDArray[np.float64], need: int, space: Space) -> Found:
        assert isinstance(self.tool, LineTool)
        line, fitting = robust_line(points, _LEAST_NOISE_PX)
        _check_fitting(fitting, need, self.tool.calipers)
        ends = space.px(np.array([self.tool.start, self.tool.end], np.float64))
        found = _straight(line, points, ends)
        points_mm, ends_mm = space.mm(points), space.mm(ends)
        if points_mm is None or ends_mm is None:
            return Found(found)
        return Found(found, _straight(mean_line(points_mm[fitting]), points_mm, ends_mm))

    def _circle(self, points: NDArray[np.float64], need: int, space: Space) -> Found:
        circle, fitting = robust_circle(points, _LEAST_NOISE_PX)
        _check_fitting(fitting, need, self.tool.calipers)  # type: ignore[union-attr]  # of a circle
        points_mm = space.mm(points)
        found = _round(circle, points)
        if points_mm is None:
            return Found(found)
        return Found(found, _round(mean_circle(points_mm[fitting]), points_mm))


def _found(points: NDArray[np.float64], space: Space, make: Callable[[NDArray[np.float64]], Shape]) -> Found:
    placed = space.px(points)
    placed_mm = space.mm(placed)
    return Found(make(placed), None if placed_mm is None else make(placed_mm))


def _straight(line: Line, points: NDArray[np.float64], ends: NDArray[np.float64]) -> Straight:
    return Straight(line.foot(ends[0]), line.foot(ends[1]), float(np.ptp(line.beside(points))))


def _round(circle: Circle, points: NDArray[np.float64]) -> Round:
    return Round(circle.centre, circle.radius, float(np.ptp(circle.beside(points))))


def _check_fitting(fitting: NDArray[np.bool_], need: int, calipers: int) -> None:
    count = int(np.count_nonzero(fitting))
    if count < need:
        msg = f"the edges of {count} of {calipers} calipers fit together, expected {need}"
        raise NotFound(msg)


def _pair(edges: list[tuple[int, float]], tool: WidthTool) -> tuple[int, int]:
    """Return the samples of the two edges that `tool` asks for; raises NotFound."""
    signs = {"dark_to_light": (1,), "light_to_dark": (-1,), "any": (1, -1)}[tool.polarity]
    if tool.which == "outermost":
        firsts = [edge for edge in edges if math.copysign(1, edge[1]) in signs]
        lasts = [edge for edge in edges if firsts and edge[0] > firsts[0][0] and edge[1] * firsts[0][1] < 0]
        pairs = [(firsts[0], lasts[-1])] if lasts else []
    else:
        pairs = [(a, b) for a, b in pairwise(edges) if math.copysign(1, a[1]) in signs and a[1] * b[1] < 0]
    if not pairs:
        seen = ", ".join(f"{contrast:+.0f}" for _, contrast in edges[:8]) or "none"
        raise NotFound(f"there is no such pair of edges of {tool.min_contrast_levels:g} levels; edges in order: {seen}")
    if tool.which == "last":
        first, second = pairs[-1]
    elif tool.which == "strongest":
        first, second = max(pairs, key=lambda pair: min(abs(pair[0][1]), abs(pair[1][1])))
    else:
        first, second = pairs[0]
    return first[0], second[0]


def _an_edge(tool: EdgeTool | LineTool | CircleTool | WidthTool) -> str:
    polarity: Polarity = tool.polarity
    return f"an edge of {tool.min_contrast_levels:g} levels{_WORDS[polarity]}"


def _along_path(tool: EdgeTool | WidthTool) -> Calipers:
    begin, end = np.array(tool.start, np.float64), np.array(tool.end, np.float64)
    length = math.dist(tool.start, tool.end)
    return Calipers(begin[None], ((end - begin) / length)[None], length, tool.width_px)


def _across_line(tool: LineTool) -> Calipers:
    begin, end = np.array(tool.start, np.float64), np.array(tool.end, np.float64)
    length = math.dist(tool.start, tool.end)
    ahead = (end - begin) / length
    along = np.array([-ahead[1], ahead[0]])
    shares = (np.arange(tool.calipers) + 0.5) / tool.calipers
    places = begin + shares[:, None] * (end - begin) - along * tool.search_px
    width = tool.width_px or max(1.0, length / tool.calipers)
    return Calipers(places, np.tile(along, (tool.calipers, 1)), 2 * tool.search_px, width)


def _around_circle(tool: CircleTool) -> Calipers:
    turns = np.radians(tool.start_degrees + tool.sweep_degrees * (np.arange(tool.calipers) + 0.5) / tool.calipers)
    along = np.column_stack([np.cos(turns), np.sin(turns)])
    inner = tool.radius_px - tool.search_px
    arc = math.radians(tool.sweep_degrees) * tool.radius_px / tool.calipers
    width = tool.width_px or max(1.0, arc)
    centre = np.array(tool.centre, np.float64)
    return Calipers(centre + along * inner, along, 2 * tool.search_px, width, centre)


_CALIPERS: dict[type, Callable[..., Calipers]] = {
    EdgeTool: _along_path,
    WidthTool: _along_path,
    LineTool: _across_line,
    CircleTool: _around_circle,
}
