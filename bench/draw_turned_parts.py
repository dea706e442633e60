"""Draws the stamped brackets of an example project: a golden one, and samples that lie turned on a belt.

    python -m bench.draw_turned_parts deploy/projects/turned_parts

writes `references/bracket.png` and `samples/*.jpg` below that folder. Nothing is random but the sensor's noise, which
has a fixed seed for each sample, so every run gives the same pixels. Coordinates are px of the golden image, 480x400;
brackets are drawn four times as large.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Color = tuple[int, int, int]

WIDTH_PX, HEIGHT_PX = 480, 400
FRAME_PX = (900, 1200)  # height and width of what the camera sees
_LARGER = 4
_FINER = 2  # pixels that are averaged for one of the frame, each way

_BELT: Color = (58, 52, 44)  # colours are BGR
_STEEL: Color = (186, 182, 174)
_RIM: Color = (216, 213, 206)
_SUNK: Color = (128, 124, 118)
_MARKING: Color = (92, 90, 88)
_OUTLINE = ((60, 70), (300, 70), (330, 130), (420, 130), (420, 250), (330, 250), (250, 330), (60, 330))
_HOLES = ((120, 130, 26), (120, 270, 26), (375, 190, 20))


@dataclass(frozen=True)
class Defect:
    """A fault of one sample: a hole that was not punched, a piece that is broken off, a scratch."""

    missing_hole: int | None = None
    chip: tuple[tuple[int, int], ...] = ()
    scratch: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Lying:
    """How a bracket lies: the middle of its golden image in px of the frame, and degrees clockwise."""

    x: float
    y: float
    degrees: float
    defect: Defect = Defect()


@dataclass(frozen=True)
class Sample:
    """A frame: what lies on the belt, how bright the lamp is, and the seed of the noise."""

    brackets: tuple[Lying, ...]
    light: float
    seed: int


def _at(points: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    return np.array([(x * _LARGER, y * _LARGER) for x, y in points], np.int32)


def _bar(picture: Image, start: tuple[int, int], length_px: int, width_px: int, color: Sequence[int]) -> None:
    """Draw a level bar with round ends."""
    (x, y), right = (each * _LARGER for each in start), (start[0] + length_px) * _LARGER
    cv2.line(picture, (x, y), (right, y), color, width_px * _LARGER)


def _body(defect: Defect) -> Image:
    """Return where there is metal, 255, four times as large."""
    body = np.zeros((HEIGHT_PX * _LARGER, WIDTH_PX * _LARGER), np.uint8)
    cv2.fillPoly(body, [_at(_OUTLINE)], 255)
    soft = cv2.GaussianBlur(body, (0, 0), 9 * _LARGER)  # what is above half of it has round corners
    body = np.where(soft > 127, np.uint8(255), np.uint8(0))
    for number, (x, y, radius) in enumerate(_HOLES):
        if number != defect.missing_hole:
            cv2.circle(body, (x * _LARGER, y * _LARGER), radius * _LARGER, 0, -1)
    _bar(body, (205, 270), 60, 30, (0,))
    if defect.chip:
        cv2.fillPoly(body, [_at(defect.chip)], 0)
    return body


def draw_bracket(defect: Defect) -> tuple[Image, Image]:
    """Return a bracket four times as large, (h, w, 3) BGR, and where it is, (h, w) uint8, 255 on metal."""
    body = _body(defect)
    picture = np.empty((*body.shape, 3), np.uint8)
    picture[:] = _STEEL
    for number, (x, y, radius) in enumerate(_HOLES):
        if number != defect.missing_hole:
            cv2.circle(picture, (x * _LARGER, y * _LARGER), (radius + 9) * _LARGER, _SUNK, -1)
    for offset, color in ((-5, _RIM), (5, _SUNK), (0, _STEEL)):  # a rib that was pressed in
        _bar(picture, (190, 165 + offset), 95, 26, color)
    place = (105 * _LARGER, 212 * _LARGER)
    cv2.putText(picture, "FM 204", place, cv2.FONT_HERSHEY_SIMPLEX, 1.1 * _LARGER, _MARKING, 3 * _LARGER, cv2.LINE_AA)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (6 * _LARGER + 1, 6 * _LARGER + 1))
    picture[(cv2.erode(body, disc) == 0) & (body > 0)] = _RIM
    if defect.scratch:
        cv2.polylines(picture, [_at(defect.scratch)], False, (236, 238, 238), 5 * _LARGER, cv2.LINE_AA)
    return picture, body


def golden() -> Image:
    """Return the golden image: a good bracket, sharp, without noise."""
    picture, body = draw_bracket(Defect())
    picture[body == 0] = _BELT
    small = cv2.resize(picture, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    return cast("Image", cv2.GaussianBlur(small, (0, 0), 0.7))


def photograph(sample: Sample, size: tuple[int, int] = FRAME_PX) -> Image:
    """Return the belt as the camera sees it, (h, w, 3) BGR uint8."""
    height, width = size
    fine = (width * _FINER, height * _FINER)
    scene = np.empty((fine[1], fine[0], 3), np.uint8)
    scene[:] = _BELT
    for each in sample.brackets:
        picture, body = draw_bracket(each.defect)
        cos, sin = math.cos(math.radians(each.degrees)), math.sin(math.radians(each.degrees))
        turn = np.array([[cos, -sin], [sin, cos]]) * _FINER / _LARGER
        # corners count, not centres of pixels
        middle = np.array([WIDTH_PX, HEIGHT_PX]) * _LARGER / 2 - 0.5
        matrix = np.column_stack([turn, np.array([each.x, each.y]) * _FINER - 0.5 - turn @ middle])
        seen = cv2.warpAffine(picture, matrix, fine, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
        share = cv2.warpAffine(body, matrix, fine, flags=cv2.INTER_LINEAR)[..., None].astype(np.float32) / 255
        scene = np.rint(scene + share * (seen.astype(np.float32) - scene)).astype(np.uint8)
    small = cv2.GaussianBlur(cv2.resize(scene, (width, height), interpolation=cv2.INTER_AREA), (0, 0), 0.7)
    noise = np.random.default_rng(sample.seed).normal(0, 2, small.shape)
    return np.asarray(np.clip(np.rint(small * sample.light + noise), 0, 255), np.uint8)


SAMPLES = {
    "ok_1": Sample((Lying(420.3, 380.6, 37.0),), 1.0, seed=1),
    "ok_2": Sample((Lying(760.8, 470.1, -128.5),), 1.06, seed=2),
    "missing_hole": Sample((Lying(610.4, 420.7, 164.0, Defect(missing_hole=1)),), 0.97, seed=3),
    "broken_corner": Sample(
        (Lying(500.1, 510.2, -71.3, Defect(chip=((400, 200), (440, 200), (440, 270), (385, 270)))),), 1.03, seed=4
    ),
    "scratch": Sample((Lying(700.6, 400.9, 95.2, Defect(scratch=((80, 300), (130, 312), (200, 306)))),), 1.0, seed=5),
    "two": Sample((Lying(330.2, 330.5, 12.0), Lying(850.7, 560.3, -160.0)), 1.0, seed=6),
    "none": Sample((), 1.0, seed=7),
}


def main(project: Path) -> None:
    """Write the golden image and all samples below `project`."""
    for folder in ("references", "samples"):
        (project / folder).mkdir(parents=True, exist_ok=True)
    encoded = cv2.imencode(".png", golden(), [cv2.IMWRITE_PNG_COMPRESSION, 9])[1]
    (project / "references" / "bracket.png").write_bytes(encoded.tobytes())
    for name, sample in SAMPLES.items():
        encoded = cv2.imencode(".jpg", photograph(sample), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
        (project / "samples" / f"{name}.jpg").write_bytes(encoded.tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
