"""Pictures with known answers to measure in: areas drawn as exactly as pixels show them, through a camera too."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Levels = NDArray[np.float64]


def flat(height: int, width: int, level: float = 60.0) -> Levels:
    """A picture of one level, to draw into."""
    return np.full((height, width), level)


def half_plane(picture: Levels, point: tuple[float, float], degrees: float, level: float) -> None:
    """Paint all that lies beyond the line through `point`, in the direction `degrees` clockwise from the right."""
    height, width = picture.shape
    y, x = np.mgrid[:height, :width] + 0.5
    turn = np.radians(degrees)
    beyond = (x - point[0]) * np.cos(turn) + (y - point[1]) * np.sin(turn)
    long, short = sorted((abs(np.cos(turn)), abs(np.sin(turn))), reverse=True)
    if short < 1e-9:
        share = np.clip(beyond / long + 0.5, 0, 1)
    else:  # the share of a square that lies beyond a line, exactly

        def ramp(u: Levels) -> Levels:
            return np.where(u > 0, u * u / 2, 0)

        wide, narrow = (long + short) / 2, (long - short) / 2
        share = ramp(beyond + wide) - ramp(beyond + narrow) - ramp(beyond - narrow) + ramp(beyond - wide)
        share /= long * short
    picture[:] = picture * (1 - share) + level * share


def box(picture: Levels, x: float, y: float, right: float, bottom: float, level: float) -> None:
    """Paint an upright rectangle."""
    height, width = picture.shape
    across = np.clip(np.minimum(np.arange(width) + 1, right) - np.maximum(np.arange(width), x), 0, 1)
    down = np.clip(np.minimum(np.arange(height) + 1, bottom) - np.maximum(np.arange(height), y), 0, 1)
    share = down[:, None] * across[None]
    picture[:] = picture * (1 - share) + level * share


def disc(picture: Levels, x: float, y: float, radius: float, level: float) -> None:
    """Paint a disc, of which each pixel has its share to a hundredth."""
    left, top = int(x - radius) - 2, int(y - radius) - 2
    size = int(2 * radius) + 6
    fine = (np.arange(size * 16) + 0.5) / 16
    inside = np.hypot(fine[None] + left - x, fine[:, None] + top - y) < radius
    share = inside.reshape(size, 16, size, 16).mean(axis=(1, 3))
    part = picture[top : top + size, left : left + size]
    part[:] = part * (1 - share[: part.shape[0], : part.shape[1]]) + level * share[: part.shape[0], : part.shape[1]]


def seen(picture: Levels, noise: float = 0.0, seed: int = 1, blur_px: float = 0.0) -> Image:
    """Return the picture as a camera gives it, (h, w) uint8."""
    soft = cv2.GaussianBlur(picture, (0, 0), blur_px) if blur_px else picture
    noisy = soft + np.random.default_rng(seed).normal(0, noise, picture.shape) if noise else soft
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


class Camera:
    """A camera with a lens that distorts, (0, 0) being the centre of its upper left pixel."""

    def __init__(self, width: int = 640, height: int = 480) -> None:
        self.width, self.height = width, height
        self.matrix = np.array([[700.0, 0, 327.3], [0, 702.0, 236.1], [0, 0, 1]])
        self.distortion = np.array([-0.18, 0.05, 0.001, -0.0008, 0])

    def px(self, places_mm: NDArray[np.float64], turned: NDArray[np.float64], away_mm: NDArray[np.float64]) -> Levels:
        """Return where the camera sees places of a plane, (n, 2) mm, that is turned and moved: (n, 2) px."""
        places = np.column_stack([places_mm, np.zeros(len(places_mm))])
        found, _ = cv2.projectPoints(places, turned, away_mm, self.matrix, self.distortion)
        return np.asarray(found, np.float64)[:, 0]

    def picture(
        self,
        level: Callable[[Levels, Levels], Levels],
        turned: NDArray[np.float64],
        away_mm: NDArray[np.float64],
        noise: float = 1.0,
    ) -> Image:
        """Draw a plane of which `level` gives the brightness at x, y mm; each pixel is the mean of 4 x 4 places."""
        fine = 4
        y, x = np.mgrid[-1 : self.height + 1, -1 : self.width + 1].astype(np.float64)
        pixels = np.column_stack([x.ravel(), y.ravel()])
        rays = cv2.undistortPoints(pixels[:, None], self.matrix, self.distortion)[:, 0]
        rotation = cv2.Rodrigues(turned)[0]
        plane = np.linalg.inv(np.column_stack([rotation[:, :2], away_mm]))
        placed = np.column_stack([rays, np.ones(len(rays))]) @ plane.T
        smooth = (placed[:, :2] / placed[:, 2:]).reshape(self.height + 2, self.width + 2, 2)
        size = (fine * (self.width + 2), fine * (self.height + 2))
        mm = cv2.resize(smooth, size, interpolation=cv2.INTER_LINEAR)[fine:-fine, fine:-fine]
        levels = level(np.asarray(mm[..., 0], np.float64), np.asarray(mm[..., 1], np.float64))
        means: Levels = levels.reshape(self.height, fine, self.width, fine).mean(axis=(1, 3))
        return seen(means, noise)


def chessboard(columns: int, rows: int, pitch_mm: float) -> Callable[[Levels, Levels], Levels]:
    """Return the levels of a chessboard whose first inner corner is at 0, 0 mm."""

    def level(x: Levels, y: Levels) -> Levels:
        column, row = np.floor(x / pitch_mm) + 1, np.floor(y / pitch_mm) + 1
        on = (column >= 0) & (column <= columns) & (row >= 0) & (row <= rows)
        return np.where(on & ((column + row) % 2 == 0), 30.0, 215.0)

    return level


def circles(columns: int, rows: int, pitch_mm: float) -> Callable[[Levels, Levels], Levels]:
    """Return the levels of a grid of circles whose first centre is at 0, 0 mm."""

    def level(x: Levels, y: Levels) -> Levels:
        column = np.clip(np.rint(x / pitch_mm), 0, columns - 1)
        row = np.clip(np.rint(y / pitch_mm), 0, rows - 1)
        away = np.hypot(x - column * pitch_mm, y - row * pitch_mm)
        return np.where(away < pitch_mm / 4, 30.0, 215.0)

    return level


TURNS = [(0.05, -0.04, 0.03), (0.45, 0.1, 0.0), (-0.4, 0.2, 0.1), (0.1, 0.5, -0.1), (0.0, -0.45, 0.2), (0.3, 0.3, 0.1)]


def views(count: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return rotations and positions of a target of 9x6:10mm in front of `Camera`: the first lies nearly straight."""
    places = [(-41, -26, 110), (-38, -22, 120), (-42, -28, 125), (-40, -26, 140), (-44, -24, 125), (-40, -24, 140)]
    pairs = list(zip(TURNS, places, strict=True))[:count]
    return [(np.array(turn, np.float64), np.array(place, np.float64)) for turn, place in pairs]
