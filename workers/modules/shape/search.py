"""Finds a taught outline in a picture: coarse over all turns and scales, then ever finer where it may be.

picture --level--> edges --grid--> candidates --each one moved a little--> the likely ones
    --least squares in the level, then in the picture--> scores --overlap--> found
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from workers.modules.shape.edges import gradients, halved, soft, strong_pixels
from workers.modules.shape.grid import Grid
from workers.modules.shape.moved import Directions
from workers.modules.shape.refine import Pose, agreement, refined
from workers.modules.shape.templates import templates_of, turn_step
from workers.modules.shape.wanted import Found, Limits, Window, alike, best

if TYPE_CHECKING:
    from workers.context.run import LookAtTime
    from workers.modules.shape.edges import Floats, Plane
    from workers.modules.shape.grid import Candidates
    from workers.modules.shape.outline import Outline

_KEPT_SIZES = 2
_COARSE_SHARE = 0.9  # of the least score: what is taught is there a little less once it is turned
_CANDIDATES, _CANDIDATES_EACH = 48, 8  # so many, and so many more for each that is wanted
_LIKELY, _LIKELY_EACH = 6, 2  # of them are looked at closely
_BETTER = 3  # times as many are looked at a second time
_DOUBT = 0.15  # a score in the level by so much below the best may be the best in the picture
_MARGIN_PX = 8
_TWIN_SCORE, _SAME_SCORE, _MOST_TWINS = 0.6, 0.99, 12
_TWIN_PX, _TWIN_RAD, _TWIN_SCALE = 3.0, math.radians(6), 0.1


class Search:
    """The search for one outline. One picture at a time: it keeps memory between pictures."""

    def __init__(self, outline: Outline, limits: Limits, twins: Sequence[Pose] = ()) -> None:
        """Take `twins` of `twins_of`, so that none of them is taken for the part."""
        self._outline = outline
        self._limits = limits
        self._twins = twins
        self._templates = templates_of(outline, limits)
        self._grids: OrderedDict[tuple[int, int], Grid] = OrderedDict()

    def find(self, picture: Plane, most: int, window: Window | None, look_at_time: LookAtTime) -> list[Found]:
        """Return the `most` best in `picture`, (h, w) uint8, best first; `look_at_time` is called often.

        Middles lie in `window`, or anywhere in the picture.
        """
        height, width = picture.shape
        window = window or Window(0, 0, width, height)
        reach = math.ceil(self._outline.radius * self._limits.scale_max) + _MARGIN_PX
        left, top = max(0, window.left - reach), max(0, window.top - reach)
        part = picture[top : window.bottom + reach, left : window.right + reach]
        found = self._found(part, most, window.seen_from(left, top), look_at_time)
        return [Found(pose._replace(x=pose.x + left, y=pose.y + top), score) for pose, score in found]

    def _found(self, part: Plane, most: int, window: Window, look_at_time: LookAtTime) -> list[Found]:
        """Find in a part of the picture, whose upper left pixel is the origin of all."""
        outline, limits = self._outline, self._limits
        slopes = gradients(halved(part, outline.level))
        look_at_time()
        places, x, y = strong_pixels(slopes, outline.coarse_slope)
        if not len(places):
            return []
        look_at_time()
        direction = np.arctan2(y, x)
        height, width = slopes.blurred.shape
        grid = self._grid(height, width)
        grid.look(places, direction, either=limits.either)
        count = _CANDIDATES + _CANDIDATES_EACH * most
        allowed = window.cells(*grid.cells, outline.cell_px * outline.level_px)
        candidates = grid.candidates(_COARSE_SHARE * limits.min_score, count, allowed, look_at_time)
        if not len(candidates.x):
            return []
        looked = Directions(height, width, places, direction, either=limits.either)
        likely = self._likely(looked, candidates, most, look_at_time)
        near = self._in_level(slopes.blurred.astype(np.float32), likely, look_at_time)
        least = max(limits.min_score, near[min(most, len(near)) - 1].score) - _DOUBT
        exact = []
        for each in near:
            look_at_time()
            if each.score >= least:
                exact.append(self._in_picture(part, self._up(each.pose)))
        exact += [self._in_picture(part, twin) for each in self._best(exact, most) for twin in self._twins_of(each)]
        return self._best([each for each in exact if limits.allow(each) and window.holds(each.pose)], most)

    def _likely(self, looked: Directions, candidates: Candidates, most: int, look_at_time: LookAtTime) -> list[Pose]:
        """Return the best candidates, moved to where they fit best; those that have become the same are one."""
        outline = self._outline
        step, near_px = turn_step(outline, 1.0), outline.cell_px
        count = _LIKELY + _LIKELY_EACH * most
        better = looked.better(outline.coarse, candidates, (near_px, 2, step / 3), look_at_time).first(_BETTER * count)
        chosen: list[Pose] = []
        for row in zip(*looked.better(outline.coarse, better, (1, 1, step / 6), look_at_time)[:4], strict=True):
            pose = Pose(*map(float, row))
            if not any(alike(pose, other, near_px, 1.5 * step, step) for other in chosen):
                chosen.append(pose)
        return chosen[:count]

    def _in_level(self, plane: Floats, likely: Sequence[Pose], look_at_time: LookAtTime) -> list[Found]:
        """Return where the outline lies near poses in the level, whose blurred image is `plane`; the best first."""
        points, slope, limits = self._outline.coarse, self._outline.coarse_slope, self._limits
        found = []
        for each in likely:
            look_at_time()
            pose = refined(plane, points, each, slope=slope, either=limits.either, scales=limits.scales)
            found.append(Found(pose, agreement(plane, points, pose, slope, either=limits.either)))
        return sorted(found, key=lambda each: -each.score)

    def _in_picture(self, part: Plane, pose: Pose) -> Found:
        """Return where the outline lies in `part` near `pose`."""
        outline, limits = self._outline, self._limits
        reach = math.ceil(outline.radius * pose.scale) + _MARGIN_PX
        left, top = (max(0, math.floor(each) - reach) for each in (pose.x, pose.y))
        crop = part[top : max(0, math.ceil(pose.y) + reach), left : max(0, math.ceil(pose.x) + reach)]
        if not crop.size:
            return Found(pose, 0.0)
        plane, points, slope = soft(crop), outline.fine, outline.fine_slope
        pose = pose._replace(x=pose.x - left, y=pose.y - top)
        pose = refined(plane, points, pose, slope=slope, either=limits.either, scales=limits.scales)
        score = agreement(plane, points, pose, slope, either=limits.either)
        return Found(pose._replace(x=pose.x + left, y=pose.y + top), score)

    def _up(self, pose: Pose) -> Pose:
        """Return a pose in the level as one in the picture."""
        x, y = (self._outline.level_px * (each + 0.5) - 0.5 for each in (pose.x, pose.y))
        return pose._replace(x=x, y=y)

    def _twins_of(self, found: Found) -> list[Pose]:
        """Return where the part would lie if what was found were one of its twins."""
        poses, pose = [], found.pose
        for twin in self._twins:
            angle = pose.angle_rad - twin.angle_rad
            cos, sin = pose.scale * math.cos(angle), pose.scale * math.sin(angle)
            x, y = pose.x - cos * twin.x + sin * twin.y, pose.y - sin * twin.x - cos * twin.y
            poses.append(Pose(x, y, angle, pose.scale))
        return poses

    def _best(self, found: Sequence[Found], most: int) -> list[Found]:
        return best(found, most, self._outline, self._limits.overlap)

    def _grid(self, height: int, width: int) -> Grid:
        grid = self._grids.get((height, width))
        if grid is None:
            whole = self._limits.whole_turn
            grid = Grid(height, width, self._outline.cell_px, self._templates, whole_turn=whole)
            self._grids[height, width] = grid
            if len(self._grids) > _KEPT_SIZES:
                self._grids.popitem(last=False)
        return grid


def twins_of(outline: Outline, plane: Plane) -> list[Pose]:
    """Return where in its taught picture a part is found too, nearly alike: upside down, say; from its own middle.

    `plane` is that picture, (h, w) uint8. Where it looks the same altogether it does not matter, and is left out.
    """
    limits = Limits(-math.pi, math.pi, 1.0, 1.0, _TWIN_SCORE, 1.0, either=False)
    x, y = outline.centre
    twins: list[Pose] = []
    for found, score in Search(outline, limits).find(plane, _MOST_TWINS, None, lambda: None):
        twin = found._replace(x=found.x - x, y=found.y - y)
        if score < _SAME_SCORE and not any(alike(twin, other, _TWIN_PX, _TWIN_RAD, _TWIN_SCALE) for other in twins):
            twins.append(twin)
    return twins
