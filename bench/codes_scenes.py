"""Frames with codes whose place is known: on labels or inverted, turned, blurred, in perspective, under uneven light.

The codes are drawn by zxing-cpp's own writer. Who measures `codes` and who tests it draw by this.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
import zxingcpp
from numpy.typing import NDArray

Image = NDArray[np.uint8]

SIZE = (1024, 1920)
_FINE = 8  # px of a module as it is drawn, before it is brought to its size
# zxing-cpp draws symbols with a quiet zone; a label has some more around it
_MARGIN_MODULES = 3


@dataclass(frozen=True, slots=True)
class Code:
    """A code to be drawn: `kind` is zxing-cpp's name of its format, `gs1` says that its text has (01) and so on.

    Its middle is at `x` and `y`, turned by `degrees` clockwise; a module has `module_px`. `levels` are of light
    and dark, `inverted` exchanges them. `blur_px` is a sigma; `tilt` the share by which its far side is shorter.
    """

    kind: str
    text: str
    x: float = 960.0
    y: float = 512.0
    degrees: float = 0.0
    module_px: float = 4.0
    blur_px: float = 0.6
    levels: tuple[float, float] = (215.0, 35.0)
    inverted: bool = False
    tilt: float = 0.0
    gs1: bool = False

    def fine(self) -> Image:
        """Return it as drawn, (h, w): 255 is light."""
        options = {"gs1": True} if self.gs1 else {}
        made = zxingcpp.create_barcode(self.text, getattr(zxingcpp.BarcodeFormat, self.kind), **options)
        drawn = np.array(zxingcpp.write_barcode_to_image(made, scale=_FINE))
        return np.pad(drawn, _MARGIN_MODULES * _FINE, constant_values=255)

    def placed(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return the matrix, (3, 3), that takes pixels of `fine`, of `shape`, to those of the frame."""
        height, width = shape
        scale = self.module_px / _FINE
        shorter = self.tilt * width / 2
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        seen = corners + np.array([[shorter, 0], [-shorter, 0], [0, 0], [0, 0]], np.float32)
        turn = np.deg2rad(self.degrees)
        rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        there = (seen - (width / 2, height / 2)) * scale @ rotation + (self.x, self.y)
        return np.asarray(cv2.getPerspectiveTransform(corners, there.astype(np.float32)), np.float64)


@dataclass(frozen=True, slots=True)
class Look:
    """What a frame is like beside its codes; `noise` is a sigma in levels."""

    size: tuple[int, int] = SIZE
    noise: float = 4.0
    seed: int = 0
    background: tuple[int, int] = field(default=(70, 170))


def scene(codes: tuple[Code, ...], look: Look | None = None) -> Image:
    """Return a frame, (h, w) grey, with `codes` on boxes and print, under light that is not even."""
    look = look or Look()
    random = np.random.default_rng(look.seed)
    frame = _background(look, random)
    for code in codes:
        _draw(frame, code)
    frame += random.normal(0, look.noise, frame.shape).astype(np.float32)
    seen: Image = np.clip(np.rint(frame), 0, 255).astype(np.uint8)
    return seen


def _background(look: Look, random: np.random.Generator) -> NDArray[np.float32]:
    height, width = look.size
    frame = np.full(look.size, sum(look.background) // 2, np.uint8)
    for _ in range(25):
        x, y = int(random.integers(width)), int(random.integers(height))
        right, lower = (
            x + int(random.integers(20, max(21, width // 5))),
            y + int(random.integers(20, max(21, height // 5))),
        )
        cv2.rectangle(frame, (x, y), (right, lower), float(random.integers(*look.background)), -1)
    for number in range(6):
        at = (int(random.integers(width)), int(random.integers(20, max(21, height))))
        level = float(random.integers(20, 240))
        cv2.putText(frame, f"REV {number} 2026", at, cv2.FONT_HERSHEY_SIMPLEX, 1.0, level, 2, cv2.LINE_AA)
    light = np.linspace(0.85, 1.1, width, dtype=np.float32)
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), 0.7) * light, np.float32)


def _draw(frame: NDArray[np.float32], code: Code) -> None:
    """Draw `code` into `frame`, (h, w)."""
    fine = code.fine()
    matrix = code.placed(fine.shape)
    light, dark = code.levels if not code.inverted else code.levels[::-1]
    # what a pixel sees is the mean over it: the fine picture is smoothed before it is sampled
    smooth = cv2.GaussianBlur(fine, (0, 0), max(0.35 * _FINE / code.module_px, 0.3))
    size = (frame.shape[1], frame.shape[0])
    share = _seen(np.asarray(smooth / 255, np.float32), matrix, size, code.blur_px, 1.0)
    label = _seen(np.ones(fine.shape, np.float32), matrix, size, code.blur_px, 0.0)
    frame += label * (dark + (light - dark) * share - frame)


def _seen(
    fine: NDArray[np.float32], matrix: NDArray[np.float64], size: tuple[int, int], blur_px: float, beside: float
) -> NDArray[np.float32]:
    """Return `fine`, (h, w), as the frame of `size` (width, height) has it, (h, w); elsewhere it is `beside`."""
    there = cv2.warpPerspective(fine, matrix, size, flags=cv2.INTER_LINEAR, borderValue=beside)
    return np.asarray(cv2.GaussianBlur(there, (0, 0), blur_px) if blur_px else there, np.float32)
