"""Good pictures with defects drawn into them, as files for processes that try a project, and what is to be shown.

They are decoded as a worker decodes them, and written as PNG: what the flow gets is what was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from workers.errors import FramemillError
from workers.gate import ImageLimits
from workers.pictures.png import encode_png
from workers.pictures.render import FAINTEST_HEAT, as_rgb
from workers.pixels.encoded import decode_frame
from workers.pixels.frame_form import FrameForm
from workers.pixels.scratch import Scratch
from workers.text import printable
from workers.training.drawing import Box, DrawnDefect, draw_defect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from workers.flow.project import Project
    from workers.settings import PoolSettings

_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 88]
_LEAST_CLOSE_PX, _MOST_CLOSE_PX = 96, 360
_MOST_OUTLINES = 40
_RED_AT_FULL_HEAT = 204


class CannotDraw(FramemillError):
    """A defect cannot be drawn into a picture; the message says why."""

    code = "cannot_draw_defect"


class Wish(NamedTuple):
    """A defect that is to be drawn; `size_share` is of the picture's shorter side."""

    kind: str
    seed: int
    size_share: float
    contrast: float


@dataclass(frozen=True, slots=True)
class DrawnFile:
    """A picture with a defect that was written to `path`.

    `width_px` and `height_px` are the picture's. `outlines` lead around the defect at a small distance, points (x, y).
    `before` and `after` are the place without and with it, JPEG files that show `close` of the picture.
    """

    path: Path
    wish: Wish
    size_px: float
    box: Box
    width_px: int
    height_px: int
    outlines: tuple[tuple[tuple[int, int], ...], ...]
    close: Box
    before: bytes
    after: bytes


class Drawing:
    """Draws into the frames of a project; `where` is a picture that is black where no part is, of their size."""

    def __init__(self, project: Project, settings: PoolSettings, where: Path | None = None) -> None:
        """Raises CannotDraw where its frames are deeper than drawings, or `where` cannot be read."""
        if project.frame.depth > 8:
            msg = f"defects are drawn in 8 bits, and this project wants {project.frame.depth} ([frame] depth)"
            raise CannotDraw(msg)
        self._limits = ImageLimits(
            max_megapixels=settings.max_megapixels, formats=settings.formats, lenient=settings.lenient
        )
        self._form = FrameForm(grey=project.frame.grey)
        self._where = where
        self._on_part = None if where is None else self._part(where)

    def into(self, good: Path, wishes: Sequence[tuple[Wish, Path]]) -> list[DrawnFile]:
        """Draw each wish into the picture anew, and write it where it says.

        Raises:
            CannotDraw: the picture, or where its part is, cannot be used.
            OSError: a file cannot be written.
        """
        image = self._read(good, self._form)
        if self._on_part is not None and self._on_part.shape != image.shape[:2]:
            sizes = [f"{shape[1]} x {shape[0]} px" for shape in (image.shape, self._on_part.shape)]
            msg = f"it has {sizes[0]}, and {printable(str(self._where))} has {sizes[1]}: expected the same"
            raise CannotDraw(msg)
        return [self._written(image, wish, path) for wish, path in wishes]

    def _written(self, image: NDArray[np.uint8], wish: Wish, path: Path) -> DrawnFile:
        try:
            drawn = draw_defect(
                image,
                wish.kind,
                wish.seed,
                size_share=wish.size_share,
                contrast=wish.contrast,
                where=self._on_part,
            )
        except ValueError as error:
            raise CannotDraw(str(error)) from None
        path.write_bytes(encode_png(as_rgb(drawn.image) if drawn.image.ndim == 3 else drawn.image))
        height_px, width_px = image.shape[:2]
        close = _close(drawn.box, width_px, height_px)
        before, after = _closely(image, close), _closely(drawn.image, close)
        outlines = _outlines(drawn, close)
        return DrawnFile(path, wish, drawn.size_px, drawn.box, width_px, height_px, outlines, close, before, after)

    def _part(self, where: Path) -> NDArray[np.bool_]:
        try:
            on_part: NDArray[np.bool_] = np.asarray(self._read(where, FrameForm(grey=True)) != 0)
        except CannotDraw as error:
            msg = f"{printable(where)}: {error.message}"
            raise CannotDraw(msg) from None
        if not on_part.any():
            msg = f"{printable(where)} is black everywhere: expected a picture that is not where the part is"
            raise CannotDraw(msg)
        return on_part

    def _read(self, path: Path, form: FrameForm) -> NDArray[np.uint8]:
        try:
            image: NDArray[np.uint8] = decode_frame(memoryview(path.read_bytes()), self._limits, Scratch(), form)[0]
        except OSError as error:
            msg = f"it cannot be read: {error.strerror}"
            raise CannotDraw(msg) from None
        except FramemillError as error:
            raise CannotDraw(error.message) from None
        return image


def hottest_px(heatmap: bytes) -> tuple[int, int] | None:
    """Return where a heatmap, a PNG as the server draws it, is hottest, (x, y); None where nothing of it is hot."""
    picture = cv2.imdecode(np.frombuffer(heatmap, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None, "a PNG of ours"
    heat = cv2.GaussianBlur(picture[:, :, 2], (0, 0), 2.0)
    _, most, _, (x, y) = cv2.minMaxLoc(heat)
    return (x, y) if most >= FAINTEST_HEAT * _RED_AT_FULL_HEAT / 2 else None


def _close(box: Box, width_px: int, height_px: int) -> Box:
    """Return what is seen of a picture when one looks closely: the defect, and as much around it."""
    side = max(_LEAST_CLOSE_PX, 2 * max(box.width, box.height))
    width, height = min(side, width_px), min(side, height_px)
    x = min(max(0, box.x + (box.width - width) // 2), width_px - width)
    y = min(max(0, box.y + (box.height - height) // 2), height_px - height)
    return Box(x, y, width, height)


def _closely(image: NDArray[np.uint8], close: Box) -> bytes:
    view = image[close.y : close.y + close.height, close.x : close.x + close.width]
    scale = _MOST_CLOSE_PX / max(close.width, close.height)
    if scale < 1:
        view = cv2.resize(view, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return cv2.imencode(".jpg", view, _JPEG)[1].tobytes()


def _outlines(drawn: DrawnDefect, close: Box) -> tuple[tuple[tuple[int, int], ...], ...]:
    distance = 2 + max(close.width, close.height) // 60
    around = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    far = cv2.dilate(drawn.mask.astype(np.uint8), around)
    found, _ = cv2.findContours(far, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    largest = sorted(found, key=cv2.contourArea, reverse=True)[:_MOST_OUTLINES]
    calm = [cv2.approxPolyDP(line, distance / 4, closed=True)[:, 0] for line in largest]
    return tuple(tuple((int(x), int(y)) for x, y in line) for line in calm)
