"""Teaches an outline from a picture of the project, once, where the project is loaded."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from workers.errors import ProjectInvalid
from workers.modules.project_image import ImageUnusable, project_image
from workers.modules.region import Region, RegionOutside
from workers.modules.shape.edges import grey_of
from workers.modules.shape.outline import NoOutline, Outline, taught
from workers.modules.shape.search import Search, twins_of
from workers.modules.shape.templates import count_of
from workers.modules.shape.wanted import Limits

_MOST_TEMPLATES = 6000

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.modules.base import ModuleSurroundings
    from workers.modules.shape.edges import Plane
    from workers.modules.shape.search_options import SearchOptions


class TaughtPart:
    """A part as a project teaches it: `outline`, the `search` for it, and its picture's `size`, (height, width) px."""

    def __init__(self, options: SearchOptions, surroundings: ModuleSurroundings, overlap: float) -> None:
        """Found ones may lie over each other by the share `overlap`.

        Raises:
            ProjectInvalid: there is no such picture, it shows no outline, or there is too much to look for.
        """
        plane = _picture(options, surroundings)
        self.size = plane.shape
        self.outline = _outline(options, plane)
        limits = Limits(
            math.radians(options.angle_min),
            math.radians(options.angle_max),
            options.scale_min,
            options.scale_max,
            options.min_score,
            overlap,
            either=options.contrast == "either",
        )
        count = count_of(self.outline, limits)
        if count > _MOST_TEMPLATES:
            scales = f"{options.scale_min:g} to {options.scale_max:g}"
            msg = (
                f"scale_max: angles and scales from {scales} are {count:,} pictures of the part to look for,"
                f" at most {_MOST_TEMPLATES:,} are: expected a smaller range"
            )
            raise ProjectInvalid(msg)
        self.search = Search(self.outline, limits, twins_of(self.outline, plane))
        self._angle_min = options.angle_min

    def degrees(self, angle_rad: float) -> float:
        """Return an angle as one of the turn that begins half a turn before 0, or at `angle_min` if that is later."""
        least = max(self._angle_min, -180.0)
        return (math.degrees(angle_rad) - least) % 360 + least


def _picture(options: SearchOptions, surroundings: ModuleSurroundings) -> Plane:
    try:
        return grey_of(project_image(surroundings.folder, options.file, "picture of the part"))
    except ImageUnusable as error:
        msg = f"file: {error}"
        raise ProjectInvalid(msg) from None


def _outline(options: SearchOptions, plane: Plane) -> Outline:
    inside: NDArray[np.bool_] | None = None
    if options.part is not None:
        try:
            area = Region(options.part).area(plane)
        except RegionOutside as error:
            msg = f"part: in {options.file} {error}"
            raise ProjectInvalid(msg) from None
        inside = np.zeros(plane.shape, bool)
        inside[area.window] = True if area.mask is None else area.mask > 0
    try:
        return taught(plane, inside, options.contrast_levels, options.scale_min)
    except NoOutline as error:
        msg = f"file: {options.file} {error}"
        raise ProjectInvalid(msg) from None
