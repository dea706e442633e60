"""What the classifier of `filters` learns from: places of good pictures in varied light, with defects drawn in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import cv2
import numpy as np

from workers.modules.anomaly.filters.classifier import Places
from workers.modules.anomaly.filters.filter_bank import (
    AT_MOST_PX,
    as_wanted,
    middle_and_spread,
    raw_numbers,
    scaled,
    shrunk,
)
from workers.modules.anomaly.filters.strange_areas import with_strange_area
from workers.training.drawing import LEAST_PX, draw_defect
from workers.training.kinds import KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.modules.anomaly.method import Pictures

_LESSONS = 1000  # pictures with drawn defects
_LESSONS_PX = 160_000_000  # of all together at most
_MOST_ROUNDS = 30  # of one picture
_HELD_OUT_SHARE = 0.1
_FEWEST_TO_HOLD_OUT = 5  # with fewer pictures, lessons are held out instead
_EVERY_HELD_OUT = 8
_SPREAD_PICTURES = 24
_STRANGE_SHARE = 0.12  # of a cell that a defect covers
_STRANGE_PLACES, _GOOD_PLACES = 60, 150  # of one lesson at most
_WITH_AREA = 0.15
_MOST_DEFECTS = 3
_TINTED = 0.4  # of the defects in colour pictures
_TINT_LEVELS = (15.0, 70.0)
_LUMINANCE = np.array([0.114, 0.587, 0.299], np.float32)  # of blue, green and red
_KINDS = tuple(KINDS)


@dataclass(frozen=True, slots=True, eq=False)
class Lessons:
    """Places to learn from, and some of other pictures to see by how it goes."""

    learn: Places
    held_out: Places


def usual_spread(good: Pictures, rng: np.random.Generator, *, colour: bool) -> NDArray[np.float32]:
    """Return the median over good pictures of what a number spreads within one: (n, 1) float32, the edges left out."""
    chosen = np.sort(rng.permutation(len(good))[:_SPREAD_PICTURES])
    spreads = []
    for image in good.some(chosen.tolist()):
        numbers = raw_numbers(shrunk(as_wanted(image, colour=colour)), lambda: None)
        spreads.append(middle_and_spread(numbers)[1])
    middle: NDArray[np.float32] = np.median(spreads, axis=0).astype(np.float32)
    return middle


def lessons_from(
    good: Pictures,
    spread: NDArray[np.float32],
    rng: np.random.Generator,
    tell: Callable[[float], None],
    *,
    colour: bool,
) -> Lessons:
    """Return places of all pictures, or of as many as there is time for; `tell` hears which share is done.

    `spread`, (n, 1), is what numbers usually spread in a good picture, as `usual_spread` gave it.

    Raises:
        ValueError: nothing can be drawn into them.
    """
    plan, held = _plan(good, rng)
    learn: list[Places] = []
    held_out: list[Places] = []
    for number, (picture, image) in enumerate(zip(plan, good.some(plan), strict=True)):
        tell(number / len(plan))
        lesson = _lesson(shrunk(as_wanted(image, colour=colour)), spread, rng)
        is_held_out = picture in held if held else number % _EVERY_HELD_OUT == _EVERY_HELD_OUT - 1
        (held_out if is_held_out else learn).append(lesson)
    if not all(any(each.strange.any() for each in part) for part in (learn, held_out)):
        msg = f"no defects could be drawn into the good pictures: each must have at least {LEAST_PX} x {LEAST_PX} px"
        raise ValueError(msg)
    return Lessons(Places.together(learn), Places.together(held_out))


def _plan(good: Pictures, rng: np.random.Generator) -> tuple[list[int], set[int]]:
    """Return the numbers of the pictures, one for each lesson, and which of them are held out."""
    count = len(good)
    if count == 0:
        msg = "there are no good pictures to learn from"
        raise ValueError(msg)
    first = next(iter(good.some([0])))
    affordable = _LESSONS_PX // max(1, min(AT_MOST_PX, first.shape[0] * first.shape[1]))
    n_lessons = min(_LESSONS, affordable, _MOST_ROUNDS * count)
    rounds = [rng.permutation(count) for _ in range(-(-n_lessons // count))]
    plan = np.concatenate(rounds)[:n_lessons].tolist()
    n_held = max(1, round(min(count, n_lessons) * _HELD_OUT_SHARE)) if count >= _FEWEST_TO_HOLD_OUT else 0
    return plan, set(plan[:n_held])


def _lesson(image: NDArray[np.uint8], spread: NDArray[np.float32], rng: np.random.Generator) -> Places:
    """Return places of a picture in another light, with defects: strange ones, and more that are as good as before."""
    image = _in_other_light(image, rng)
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    strange, unsure = np.zeros(image.shape[:2], np.bool_), np.zeros(image.shape[:2], np.bool_)
    if rng.random() < _WITH_AREA:
        image, strange, unsure = with_strange_area(image, rng)
    for _ in range(int(rng.integers(1, _MOST_DEFECTS + 1))):
        kind, seed = _KINDS[int(rng.integers(len(_KINDS)))], int(rng.integers(1 << 40))
        try:
            defect = draw_defect(image, kind, seed)
        except ValueError:  # it is too small, or nothing of that kind can be seen in it
            continue
        strange |= defect.mask
        tinted = image.ndim == 3 and rng.random() < _TINTED
        image = _tinted(image, defect.image, rng) if tinted else defect.image
    numbers = raw_numbers(image, lambda: None)
    size = numbers.shape[2], numbers.shape[1]
    covered, touched = (
        cv2.resize(each.astype(np.float32), size, interpolation=cv2.INTER_AREA).ravel()
        for each in (strange, strange | unsure)
    )
    bad, fine = np.flatnonzero(covered > _STRANGE_SHARE), np.flatnonzero(touched == 0)
    bad = rng.permutation(bad)[:_STRANGE_PLACES]
    fine = rng.permutation(fine)[:_GOOD_PLACES]
    chosen = np.concatenate([bad, fine])
    places = np.ascontiguousarray(scaled(numbers, spread)[:, chosen].T)
    return Places(places, (np.arange(len(chosen)) < len(bad)).astype(np.float32))


def _tinted(image: NDArray[np.uint8], with_defect: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return an image, (h, w, 3) BGR, in which a defect is as bright as the surface and has another colour."""
    change = np.abs(with_defect.astype(np.float32) - image).max(axis=2, keepdims=True)
    tint = rng.standard_normal(3, np.float32)
    tint -= tint @ _LUMINANCE
    tint *= np.float32(rng.uniform(*_TINT_LEVELS)) / np.abs(tint).max()
    tinted: NDArray[np.uint8] = np.clip(np.rint(image + change / change.max() * tint), 0, 255).astype(np.uint8)
    return tinted


def _in_other_light(image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a picture as it might have been taken: in light that is another and changes slowly, blurred or noisy."""
    height, width = image.shape[:2]
    pixels = image.astype(np.float32)
    if rng.random() < 0.5:
        even = cv2.GaussianBlur(pixels, (0, 0), 4)
        pixels = even + (pixels - even) * np.float32(np.exp(0.25 * rng.normal()))
    if rng.random() < 0.3:
        pixels = cast("NDArray[np.float32]", cv2.GaussianBlur(pixels, (0, 0), rng.uniform(0.3, 0.8)))
    if rng.random() < 0.3:
        pixels = pixels + rng.standard_normal(pixels.shape, np.float32) * np.float32(rng.uniform(0, 4))
    down = np.linspace(-0.5, 0.5, height, dtype=np.float32)[:, None]
    right = np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    waves = np.sin(3 * right + np.float32(rng.uniform(0, 6))) * np.sin(3 * down + np.float32(rng.uniform(0, 6)))
    strengths = (rng.standard_normal(4, np.float32) * np.float32(0.3)).tolist()
    light = np.exp(strengths[0] + strengths[1] * right + strengths[2] * down + np.float32(0.3) * strengths[3] * waves)
    lit = pixels * (light[:, :, None] if image.ndim == 3 else light)
    picture: NDArray[np.uint8] = np.clip(np.rint(lit), 0, 255).astype(np.uint8)
    return picture
