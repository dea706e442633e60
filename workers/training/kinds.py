"""The kinds of defects, a function and a line in KINDS each: what a place looks like with one.

A function is handed random numbers and a place, and returns the place's pixels anew, (h, w, c) float32. It takes all
numbers from `rng`, and the same ones whatever the contrast is: one defect can be drawn fainter and fainter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from workers.training.forms import blob, bump, line, piece, smooth_noise, streaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.training.place import Place

Draw = Callable[[np.random.Generator, "Place"], "NDArray[np.float32]"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind: `sizes` (shares of the picture's shorter side) and `contrasts` are what it has where nobody names one.

    `at_edge` is how often it is at the edge of the part, or of the picture where the part is not known.
    """

    draw: Draw
    sizes: tuple[float, float]
    contrasts: tuple[float, float]
    at_edge: float = 0.0


def scratch(rng: np.random.Generator, place: Place) -> NDArray[np.float32]:
    """A thin line, straight or wandering as a crack; what was ploughed up often shines beside it."""
    sign = place.sign(bool(rng.random() < 0.65))
    shines = rng.uniform(0.2, 0.6) if rng.random() < 0.4 else 0.0
    wander = rng.uniform(0.8, 2.2) if rng.random() < 0.5 else rng.uniform(0, 0.25)
    form = line(rng, place, max(1.0, place.size_px * rng.uniform(0.004, 0.02)), wander)[:, :, None]
    beside = np.clip(np.roll(form, (1, 1), (0, 1)) - form, 0, 1)
    changed: NDArray[np.float32] = np.float32(sign) * place.step * (form - np.float32(shines) * beside)
    return place.pixels + changed


def spot(rng: np.random.Generator, place: Place) -> NDArray[np.float32]:
    """A stain, a hole or a grain of dirt: ragged, more or less opaque, sometimes with a rim as a drop leaves it."""
    sign = place.sign(bool(rng.random() < 0.7))
    covers, rim, soft = rng.uniform(0, 0.8), rng.random() < 0.3, rng.uniform(0, 0.35)
    tint = _tint(rng, place)
    form = blob(rng, place, rng.uniform(0.5, 1.0), rng.uniform(0.05, 0.3), 1.2 + soft * place.size_px / 2)
    if rim:
        inner = cv2.GaussianBlur(form, (0, 0), max(0.8, place.size_px * 0.12))
        form = form * np.clip(1.25 - 0.6 * inner, 0, 1)
    whole = form[:, :, None]
    covered = np.float32(covers) * (place.pixels - place.brightness)
    return place.pixels + whole * (np.float32(sign) * place.step * tint - covered)


def dent(rng: np.random.Generator, place: Place) -> NDArray[np.float32]:
    """A hollow or a bump: one side turns to the light and one away, and the surface's grain goes on over it."""
    return place.pixels + place.step * bump(rng, place)[:, :, None]


def missing_piece(rng: np.random.Generator, place: Place) -> NDArray[np.float32]:
    """A piece that has broken out: another, rougher or flatter surface is seen there, with an edge that may shine."""
    sign = _sign_beside(place, place.sign(bool(rng.random() < 0.75)))
    rough, rim = np.float32(rng.uniform(0.5, 1.5)), np.float32(rng.uniform(-0.3, 0.5) if rng.random() < 0.6 else 0.0)
    tint, flat = _tint(rng, place), np.float32(rng.uniform(0.2, 0.9))
    form = piece(rng, place)
    uneven = 1 + np.float32(0.2) * smooth_noise(rng, place.shape, max(2.0, place.size_px / 4))[:, :, None]
    # it lies lower and is no longer what was worked: its brightness follows the surface's only roughly
    surface = place.brightness * (1 - flat) + place.level * flat
    grain = (place.elsewhere - place.elsewhere.mean(axis=(0, 1))) * rough
    broken = surface + np.float32(sign) * place.step * tint * np.clip(uneven, 0.5, 1.5) + np.clip(grain, -25, 25)
    inner = cv2.GaussianBlur(form, (0, 0), 1.0)
    edge = (4 * inner * (1 - inner) * form)[:, :, None]
    changed: NDArray[np.float32] = form[:, :, None] * (broken - place.pixels)
    return place.pixels + changed - np.float32(sign) * place.step * rim * edge


def smear(rng: np.random.Generator, place: Place) -> NDArray[np.float32]:
    """What a wipe, oil or glue leaves: streaks in one direction, under which the surface's grain is weaker."""
    sign = place.sign(bool(rng.random() < 0.6))
    wiped, tint = np.float32(rng.uniform(0.1, 0.7)), _tint(rng, place)
    form = streaks(rng, place, rng.uniform(0.25, 0.6))[:, :, None]
    covered = wiped * (place.pixels - place.brightness)
    return place.pixels + form * (np.float32(sign) * place.step * tint - covered)


KINDS: Mapping[str, Kind] = {
    "scratch": Kind(scratch, (0.08, 0.6), (0.15, 0.6)),
    "spot": Kind(spot, (0.02, 0.12), (0.15, 0.7)),
    "dent": Kind(dent, (0.06, 0.25), (0.12, 0.45)),
    "missing_piece": Kind(missing_piece, (0.05, 0.25), (0.2, 0.7), at_edge=0.6),
    "smear": Kind(smear, (0.12, 0.45), (0.1, 0.4)),
}


def _tint(rng: np.random.Generator, place: Place) -> NDArray[np.float32]:
    """Return by how much each channel takes part, (c,) float32: a stain has a colour, grey pictures have none."""
    channels = place.pixels.shape[2]
    parts = rng.uniform(0.7, 1.3, 3).astype(np.float32)
    return parts if channels == 3 else np.ones(channels, np.float32)


def _sign_beside(place: Place, sign: float) -> float:
    """Return the sign that leads to what lies beside the part, where that is seen in the window and differs."""
    beside = place.pixels[~place.on_part]
    if len(beside) == 0:
        return sign
    difference = float(beside.mean() - place.level.mean())
    return sign if abs(difference) < 10 else math.copysign(1.0, difference)
