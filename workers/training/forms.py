"""The forms that defects have: ragged blobs, wandering lines, broken pieces, and noise that is smooth.

Each is (h, w) float32 in the window of a place, 0 where nothing is and 1 where the defect is whole.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.training.place import Place

_SUB_BITS = 4  # OpenCV draws lines in 16ths of a px
_SUB = 1 << _SUB_BITS
_NOTHING = 1e-6


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cell_px: float) -> NDArray[np.float32]:
    """Return noise of about -2..2 that changes over `cell_px`, (h, w) float32."""
    height, width = shape
    cell = max(1.0, cell_px)
    coarse = rng.standard_normal((math.ceil(height / cell) + 3, math.ceil(width / cell) + 3), np.float32)
    grown = cv2.resize(coarse, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
    return grown[:height, :width].astype(np.float32, copy=False)


def along_and_across(place: Place, angle: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return how far each pixel is from the middle along `angle` (radians) and across it, (h, w) float32 px."""
    right, down = place.coordinates()
    cos, sin = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    return right * cos + down * sin, down * cos - right * sin


def blob(rng: np.random.Generator, place: Place, slimness: float, ragged: float, soft_px: float) -> NDArray[np.float32]:
    """Return an ellipse, `slimness` times as wide as long, turned anyhow, with an edge that is ragged and soft."""
    radius = max(place.size_px / 2, 0.75)
    along, across = along_and_across(place, rng.uniform(0, math.pi))
    distance = np.sqrt(along**2 + (across / np.float32(slimness)) ** 2) / np.float32(radius)
    noise = smooth_noise(rng, place.shape, radius * 0.7)
    distance *= 1 + np.float32(ragged) * np.clip(noise, -1.5, 1.5)
    return _whole(np.clip((1 - distance) * np.float32(radius / soft_px) + 0.5, 0, 1), place)


def line(rng: np.random.Generator, place: Place, width_px: float, wander: float) -> NDArray[np.float32]:
    """Return a line through the middle that tapers at its ends and is stronger here and weaker there.

    `wander` is how far it turns over its length, in radians.
    """
    points = _walk(rng, place.size_px, wander) + np.asarray(place.centre_px)
    pieces = len(points) - 1
    position = (np.arange(pieces) + 0.5) / pieces
    ends = np.minimum(1, 5 * np.minimum(position, 1 - position))
    strength = np.clip(ends * (0.8 + 0.35 * np.interp(position, np.linspace(0, 1, 8), rng.normal(size=8))), 0, 1)
    strength[pieces // 2] = 1
    drawn = np.zeros(place.shape, np.uint8)
    ends_px = np.round(points * _SUB).astype(int)
    for begin, end, one in zip(ends_px[:-1], ends_px[1:], strength, strict=True):
        thickness = max(1, round(width_px * (0.5 + 0.5 * one)))
        cv2.line(drawn, begin.tolist(), end.tolist(), round(255 * float(one)), thickness, cv2.LINE_AA, _SUB_BITS)
    soft = cv2.GaussianBlur(drawn.astype(np.float32), (0, 0), rng.uniform(0.45, 0.8), borderType=cv2.BORDER_REPLICATE)
    return _whole(soft / np.float32(255), place)


def piece(rng: np.random.Generator, place: Place) -> NDArray[np.float32]:
    """Return what breaks out: a polygon around the middle with corners, nearly sharp at its edge."""
    corners = int(rng.integers(6, 11))
    angles = (np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) * (2 * math.pi / corners)
    radii = rng.uniform(0.5, 1.0, corners) * max(place.size_px / 2, 1.0)
    points = np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.5, 1.0)], axis=1) * radii[:, None]
    turn = rng.uniform(0, math.pi)
    cos, sin = math.cos(turn), math.sin(turn)
    points = points @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(place.centre_px)
    drawn = np.zeros(place.shape, np.uint8)
    cv2.fillPoly(drawn, [np.round(points * _SUB).astype(np.int32)], 255, cv2.LINE_AA, _SUB_BITS)
    soft = cv2.GaussianBlur(drawn.astype(np.float32), (0, 0), 0.6, borderType=cv2.BORDER_REPLICATE)
    return _whole(soft / np.float32(255), place)


def bump(rng: np.random.Generator, place: Place) -> NDArray[np.float32]:
    """Return how light falls on a hollow or a bump: -1..1, dark on one side and bright on the other."""
    radius = max(place.size_px / 2, 1.0)
    slimness, angle = rng.uniform(0.5, 1.0), rng.uniform(0, math.pi)
    along, across = along_and_across(place, angle)
    distance = (along**2 + (across / np.float32(slimness)) ** 2) / np.float32(radius**2)
    height = np.exp(np.float32(-2.5) * distance * (1 + np.float32(0.15) * smooth_noise(rng, place.shape, radius)))
    light = rng.uniform(0, 2 * math.pi)
    down, right = (np.gradient(height, axis=axis) for axis in (0, 1))
    lit = right * np.float32(math.cos(light)) + down * np.float32(math.sin(light))
    return _whole(lit.astype(np.float32), place)


def streaks(rng: np.random.Generator, place: Place, slimness: float) -> NDArray[np.float32]:
    """Return what a wipe leaves: streaks beside one another in one direction, soft where they begin and end."""
    half = max(place.size_px / 2, 1.0)
    along, across = along_and_across(place, rng.uniform(0, math.pi))
    across = across + np.float32(rng.uniform(-0.15, 0.15) / half) * along**2  # a hand moves in an arc
    half_width = np.float32(max(1.0, half * slimness))
    places = np.linspace(-2, 2, 36)
    strong = np.interp(across / half_width, places, np.clip(0.65 + 0.35 * rng.normal(size=36), 0.1, 1))
    begins = np.interp(across / half_width, places, rng.uniform(0.65, 1.0, 36))
    fades_px = np.float32(max(1.0, half * 0.35))
    length = np.clip((np.float32(half) * begins - np.abs(along)) / fades_px, 0, 1)
    width = np.clip((half_width - np.abs(across)) / np.float32(max(1.0, float(half_width) * 0.4)) + 0.2, 0, 1)
    uneven = np.clip(1 + 0.2 * smooth_noise(rng, place.shape, half * 0.5), 0.4, 1)
    return _whole((strong * length * width * uneven).astype(np.float32), place)


def _walk(rng: np.random.Generator, length_px: float, wander: float) -> NDArray[np.float64]:
    """Return points of a path of `length_px`, (n, 2), whose middle is at (0, 0)."""
    pieces = int(np.clip(length_px / 3, 2, 60)) // 2 * 2
    bend = rng.normal() * wander / pieces
    headings = rng.uniform(0, 2 * math.pi) + np.cumsum(bend + rng.normal(size=pieces) * wander / math.sqrt(pieces) / 2)
    steps = np.stack([np.cos(headings), np.sin(headings)], axis=1) * (length_px / pieces)
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)])
    points: NDArray[np.float64] = path - path[pieces // 2]
    return points


def _whole(form: NDArray[np.float32], place: Place) -> NDArray[np.float32]:
    """Return it on the part alone, and as strong as it can be where it is strongest there."""
    here = np.where(place.on_part, form, np.float32(0))
    strongest = float(np.abs(here).max())
    return (here / max(strongest, _NOTHING)).astype(np.float32, copy=False)
