"""The module `measure`: edges, lines, circles, distances and angles, as values with limits.

    image --calipers--> profiles --> edges --> points --frame, mm--> lines, circles --> measures, lines, result

All tools are measured, whatever the first of them says. Values and lines are of the frame that came in, however the
image was cut, turned or scaled before: points are brought there before anything is fitted through them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.calibration.calibration import read_calibration
from workers.calibration.plane import Plane
from workers.modules.base import ModuleSurroundings, on_run
from workers.modules.measure.looking import Looker
from workers.modules.measure.options import MeasureOptions
from workers.modules.measure.results import Result, line_between, line_of, unit_of, value_between, value_of
from workers.modules.measure.shapes import Found, NotFound, Space, Spot, Straight, crossing
from workers.modules.measure.tool_options import AngleTool, CornerTool, DistanceTool, LineTool
from workers.modules.measured import keep_measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.run import Context, LookAtTime, Run
    from workers.modules.measure.options import Tool

_RED: dict[str, Any] = {"id": 1, "color": "#d55e00", "color_bgr": [0, 94, 213]}


def prepare(options: MeasureOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts."""
    measure = Measure(options, surroundings)

    def call(context: Context, run: Run) -> bool:
        lines: list[dict[str, Any]] = []

        def inspect(context: Context, run: Run) -> None:
            measure(context, run, lines)

        worked = on_run(inspect, surroundings)(context, run)
        _add_lines(context, lines)  # they are of the frame already, and not brought there once more
        return worked

    return call


class Measure:
    """The module."""

    def __init__(self, options: MeasureOptions, surroundings: ModuleSurroundings) -> None:
        self._options = options
        self._plane = None
        if options.calibration:
            self._plane = Plane(read_calibration(surroundings.folder / options.calibration), options.calibration)
        self._lookers = {tool.name: Looker.of(tool) for tool in options.tools}

    def __call__(self, context: Context, run: Run, lines: list[dict[str, Any]]) -> None:
        """Measure `context["image"]`, (h, w) or (h, w, 3) BGR uint8, which is only read; lines are added to `lines`."""
        plane = self._plane.for_frame(run.frame_px, context.get("items")) if self._plane else None
        frame = _Frame(context["image"], Space(run.placement, plane), {}, lines)
        results = []
        for tool in self._options.tools:
            run.look_at_time()
            results.append(self._measured(tool, frame, run.look_at_time))
        for result in results:
            if not isinstance(result.tool, CornerTool) or result.reason:
                keep_measured(context, "measures", result.tool.name, result.measure())
            if result.reason:
                self._tell(result, context)
        judged = [result.ok for result in results if result.judged]
        if judged:
            context["result"] = all(judged)

    def _measured(self, tool: Tool, frame: _Frame, look_at_time: LookAtTime) -> Result:
        unit = unit_of(tool, calibrated=self._plane is not None)
        looker = self._lookers[tool.name]
        try:
            if looker is not None:
                found = frame.found[tool.name] = looker.find(frame.image, frame.space, look_at_time)
                result = Result(tool, unit, value_of(tool, unit, found, frame.taught(tool)))
                frame.lines.append(line_of(result, found, looker.calipers.width_px))
                return result
            assert isinstance(tool, CornerTool | DistanceTool | AngleTool)
            return frame.between(tool, unit)
        except NotFound as reason:
            return Result(tool, unit, None, str(reason))

    def _tell(self, result: Result, context: Context) -> None:
        """Say that a tool has found nothing: as an error or not, and where it has looked."""
        tool, looker = result.tool, self._lookers[result.tool.name]
        if self._options.not_found == "error":
            context["errors"].append({"message": f"{tool.name}: {result.reason}"})
        if looker is not None:
            label = {**_RED, "label": f"{tool.name} not found"}
            context["detectedRectangles"].append({**looker.searched(), "classNames": [label]})


class _Frame:
    """One frame while it is measured; `found` is what its tools have, by name."""

    def __init__(
        self, image: NDArray[np.uint8], space: Space, found: dict[str, Found], lines: list[dict[str, Any]]
    ) -> None:
        self.image, self.space, self.found, self.lines = image, space, found, lines

    def taught(self, tool: Tool) -> NDArray[np.float64] | None:
        """Return the direction in the frame, (2,), that a line was taught with; None for other tools."""
        if not isinstance(tool, LineTool):
            return None
        ends = self.space.px(np.array([tool.start, tool.end], np.float64))
        return np.asarray(ends[1] - ends[0])

    def between(self, tool: CornerTool | DistanceTool | AngleTool, unit: str) -> Result:
        """Measure between two that were found; raises NotFound where one was not."""
        for name in tool.between:
            if name not in self.found:
                raise NotFound(f"{name} was not found")
        one, other = (self.found[name] for name in tool.between)
        if not isinstance(tool, CornerTool):
            result = Result(tool, unit, value_between(tool, unit, one, other))
            self.lines.append(line_between(result, one, other))
            return result
        found = self.found[tool.name] = _corner(one, other)
        result = Result(tool, unit, None)
        self.lines.append(line_of(result, found, 0.0))
        return result


def _corner(one: Found, other: Found) -> Found:
    assert isinstance(one.px, Straight)
    assert isinstance(other.px, Straight)
    point = crossing(one.px, other.px)
    if not isinstance(one.mm, Straight) or not isinstance(other.mm, Straight):
        return Found(Spot(point, point, point))
    point_mm = crossing(one.mm, other.mm)
    return Found(Spot(point, point, point), Spot(point_mm, point_mm, point_mm))


def _add_lines(context: Context, lines: list[dict[str, Any]]) -> None:
    """Put `lines` behind those that are there; what user code left there that is no list gives way."""
    there = context.get("lines")
    kept = there if type(there) is list else []
    context["lines"] = kept + [{"id": number, **line} for number, line in enumerate(lines, len(kept) + 1)]
