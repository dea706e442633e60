"""Defects drawn into good pictures: where they are is known to the pixel, and a seed says everything about them.

A picture, a kind, a seed and the wishes give the same bytes each time (on one kind of machine: OpenCV rounds otherwise
on another). Pixels outside the mask are those of the good picture.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from workers.training.kinds import KINDS, Kind
from workers.training.place import VISIBLE_LEVELS, Place, Window, without_grain

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_PX = 4  # a picture has at least so many px on either side
_LEAST_SIZE_PX = 2.0
_ATTEMPTS = 12
_ABOVE_GRAIN = 1.2  # a contrast that nobody has named is at least that many times the surface's own


class Box(NamedTuple):
    """A rectangle in pixels of the picture; it goes from x to x + width - 1."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, eq=False)
class DrawnDefect:
    """A picture with a defect.

    `image` is of the shape and type of the good one. `mask` is (h, w) bool: which pixels have changed visibly; no other
    has changed at all. `box` is the smallest one around them. `size_px` and `contrast` are what was wished, or chosen.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    kind: str
    box: Box
    seed: int
    size_px: float
    contrast: float


def draw_defect(
    image: NDArray[np.uint8],
    kind: str,
    seed: int,
    *,
    size_share: float | None = None,
    size_px: float | None = None,
    contrast: float | None = None,
    where: NDArray[np.bool_] | NDArray[np.uint8] | None = None,
) -> DrawnDefect:
    """Return `image`, (h, w) grey or (h, w, 3) BGR uint8, with one defect of a kind, one of KINDS.

    Its longest extent is `size_px`, or `size_share` of the picture's shorter side, 0 to 1. `contrast` is by which
    share of the surface's brightness it differs, 0 to 1; what is black shows as much as dark grey. Without them the
    seed chooses what is usual for the kind. `where` is (h, w), not 0 where the part is: the defect lies on it, and is
    nowhere else. The same seed with another contrast gives the same defect, fainter or stronger.

    Raises:
        ValueError: the image, the mask or a wish is none that it can be drawn with; the message says which.
    """
    good = _Good(image, _checked(image, kind, seed, where))
    shorter_px = min(image.shape[:2])
    wished_px = _wished_size_px(image.shape[:2], size_share, size_px)
    if contrast is not None and not 0 < contrast <= 1:
        msg = f"contrast is {contrast}, expected more than 0 and at most 1"
        raise ValueError(msg)
    for attempt in range(_ATTEMPTS):
        rng = np.random.default_rng([seed, zlib.crc32(kind.encode()), attempt])
        chosen = _between(rng, KINDS[kind].sizes) * shorter_px
        size = wished_px if wished_px is not None else min(max(chosen, _LEAST_SIZE_PX), shorter_px)
        drawn = _drawn(good, KINDS[kind], rng, size, contrast)
        if drawn.mask.any():
            return DrawnDefect(drawn.image, drawn.mask, kind, _box(drawn.mask), seed, size, drawn.contrast)
    msg = f"no {kind} can be seen in this picture where it may be: the part there is too small"
    raise ValueError(msg)


def drawn_into(
    pictures: Iterable[NDArray[np.uint8]],
    seed: int,
    *,
    kinds: Sequence[str] = tuple(KINDS),
    size_share: float | None = None,
    contrast: float | None = None,
    where: NDArray[np.bool_] | NDArray[np.uint8] | None = None,
) -> Iterator[DrawnDefect]:
    """Yield each picture with one defect, the kinds mixed evenly; the wishes are those of `draw_defect`.

    What a picture gets depends on the seed and its number alone. Raises as `draw_defect` does.
    """
    if not kinds:
        msg = "no kinds are named; known are " + ", ".join(KINDS)
        raise ValueError(msg)
    for number, image in enumerate(pictures):
        round_number, turn = divmod(number, len(kinds))
        order = np.random.default_rng([seed, 1, round_number]).permutation(len(kinds))
        own_seed = int(np.random.default_rng([seed, 2, number]).integers(1 << 62))
        kind = kinds[int(order[turn])]
        yield draw_defect(image, kind, own_seed, size_share=size_share, contrast=contrast, where=where)


class _Drawn(NamedTuple):
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    contrast: float


class _Good(NamedTuple):
    """What is drawn into: a picture, and where its part is; None where it is everywhere."""

    image: NDArray[np.uint8]
    on_part: NDArray[np.bool_] | None

    @property
    def shape(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]


def _drawn(good: _Good, kind: Kind, rng: np.random.Generator, size_px: float, contrast: float | None) -> _Drawn:
    """Draw it once; the mask is empty where it can be seen nowhere."""
    usual = _between(rng, kind.contrasts)
    x, y = _centre(rng, good, at_edge=rng.random() < kind.at_edge)
    window = Window.around((x, y), size_px, good.shape)
    before = window.of(good.image)
    pixels = before.astype(np.float32)
    brightness = without_grain(pixels)
    allowed = np.ones(pixels.shape[:2], np.bool_) if good.on_part is None else good.on_part[window.slices]
    if contrast is None:
        grain = float((pixels - brightness)[allowed].std() / max(1.0, brightness[allowed].mean()))
        contrast = min(1.0, max(usual, _ABOVE_GRAIN * grain))
    offset_x, offset_y = rng.uniform(-0.4, 0.4, 2)
    elsewhere = window.moved(rng, good.shape).of(good.image)[:, ::-1].astype(np.float32)
    centre_px = (x - window.left + offset_x, y - window.top + offset_y)
    place = Place(pixels, brightness, allowed, elsewhere, centre_px, size_px, contrast)
    after = np.clip(np.rint(kind.draw(rng, place)), 0, 255).astype(np.uint8)
    seen = _seen(before, after, allowed)
    changed, mask = good.image.copy(), np.zeros(good.shape, np.bool_)
    window.of(changed)[seen] = after[seen]
    mask[window.slices] = seen
    return _Drawn(changed, mask, contrast)


def _seen(before: NDArray[np.uint8], after: NDArray[np.uint8], allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return which pixels have changed visibly, (h, w) bool; those amid them that by chance did not count too."""
    change = np.abs(after.astype(np.int16) - before).max(axis=2)
    seen = (change >= VISIBLE_LEVELS) & allowed
    closed = cv2.morphologyEx(seen.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    whole: NDArray[np.bool_] = (closed > 0) & allowed
    return whole


def _centre(rng: np.random.Generator, good: _Good, *, at_edge: bool) -> tuple[int, int]:
    """Return where the middle is, (x, y): anywhere on the part, or at its edge."""
    height, width = good.shape
    if good.on_part is not None:
        possible = np.flatnonzero(_edge_of(good.on_part) if at_edge else good.on_part)
        y, x = divmod(int(possible[int(rng.random() * len(possible))]), width)
        return x, y
    side, x, y = int(rng.integers(4)), int(rng.integers(width)), int(rng.integers(height))
    if not at_edge:
        return x, y
    return ((0, y), (width - 1, y), (x, 0), (x, height - 1))[side]


def _edge_of(on_part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return its outermost pixels, those at the picture's border too."""
    inner = np.zeros_like(on_part)
    inner[1:-1, 1:-1] = cv2.erode(on_part.astype(np.uint8), np.ones((3, 3), np.uint8))[1:-1, 1:-1] > 0
    edge: NDArray[np.bool_] = on_part & ~inner
    return edge


def _between(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Return a number between two; small ones come as often as twice as large ones."""
    return math.exp(rng.uniform(math.log(limits[0]), math.log(limits[1])))


def _box(mask: NDArray[np.bool_]) -> Box:
    return Box(*cv2.boundingRect(mask.astype(np.uint8)))


def _checked(
    image: NDArray[np.uint8], kind: str, seed: int, where: NDArray[np.bool_] | NDArray[np.uint8] | None
) -> NDArray[np.bool_] | None:
    """Return `where` as bool; raises ValueError where one of them cannot be used."""
    if kind not in KINDS:
        msg = f"kind is {kind!r}, known are {', '.join(KINDS)}"
        raise ValueError(msg)
    if seed < 0:
        msg = f"seed is {seed}, expected 0 or more"
        raise ValueError(msg)
    if image.dtype != np.uint8 or not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        msg = f"image is an array {image.shape} of {image.dtype}, expected uint8, (h, w) grey or (h, w, 3) BGR"
        raise ValueError(msg)
    if min(image.shape[:2]) < LEAST_PX:
        msg = f"image has {image.shape[1]} x {image.shape[0]} px, expected at least {LEAST_PX} on either side"
        raise ValueError(msg)
    if where is None:
        return None
    if where.shape != image.shape[:2] or where.dtype not in (np.bool_, np.uint8):
        expected = f"expected bool or uint8 {image.shape[:2]} as the image"
        msg = f"where is an array {where.shape} of {where.dtype}, {expected}"
        raise ValueError(msg)
    on_part: NDArray[np.bool_] = np.asarray(where != 0)
    if not on_part.any():
        msg = "where is 0 everywhere: there is no part that a defect could lie on"
        raise ValueError(msg)
    return on_part


def _wished_size_px(shape: tuple[int, ...], size_share: float | None, size_px: float | None) -> float | None:
    if size_share is not None and size_px is not None:
        msg = "size_share and size_px are both given, expected one of them"
        raise ValueError(msg)
    if size_share is not None:
        if not 0 < size_share <= 1:
            msg = f"size_share is {size_share}, expected more than 0 and at most 1: of the picture's shorter side"
            raise ValueError(msg)
        return max(_LEAST_SIZE_PX, size_share * min(shape))
    if size_px is not None and not _LEAST_SIZE_PX <= size_px <= max(shape):
        msg = f"size_px is {size_px}, expected {_LEAST_SIZE_PX:g} to {max(shape)}: the picture's longer side"
        raise ValueError(msg)
    return size_px
