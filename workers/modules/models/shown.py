"""What a model is shown: a part of the image, fitted into its input, as numbers in the order in which it takes them.

image (h, w[, 3]) uint8 --view--> part --resized--> canvas (H, W[, 3]) uint8 --scaled--> tensor 1x3xHxW or the like
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from workers.errors import ProjectInvalid

if TYPE_CHECKING:
    from workers.modules.models.metadata import Metadata
    from workers.modules.models.network import Signature
    from workers.modules.models.options import ModelOptions

BAR_LEVEL = 114  # of the bars beside a letterboxed picture, as models are trained
_TYPES = ("float32", "float16", "uint8")


class View(NamedTuple):
    """A part of an image, in px of it."""

    x: int
    y: int
    width: int
    height: int


class Way(NamedTuple):
    """How a picture is fitted into an input, as the options `fit` and `shrink` say it."""

    fit: str
    shrink: str


class Fitted(NamedTuple):
    """How a view lies in the input: a place (x, y) of the view is (x * scale_x + left, y * scale_y + top) there."""

    view: View
    scale_x: float
    scale_y: float
    left: float
    top: float

    def corners_in_image(self, corners: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring boxes, (n, 4) x0, y0, x1, y1 in px of the input, to px of the image; they end where the view does."""
        view = self.view
        offset = np.array([self.left, self.top] * 2, np.float32)
        scale = np.array([self.scale_x, self.scale_y] * 2, np.float32)
        most = np.array([view.width, view.height] * 2, np.float32)
        inside = np.clip((corners - offset) / scale, 0, most)
        moved: NDArray[np.float32] = inside + np.array([view.x, view.y] * 2, np.float32)
        return moved

    def sampled(self, plane: NDArray[np.float32], input_px: tuple[int, int], part: View, outside: float) -> Any:
        """Return what `plane`, (h, w) float32 over the whole input, says of each px of `part`, a part of the image.

        (height, width) float32; `outside` is what is said where the input shows nothing. `input_px` is (width, height).
        """
        across, down = plane.shape[1] / input_px[0], plane.shape[0] / input_px[1]
        scale_x, scale_y = self.scale_x * across, self.scale_y * down
        x = (part.x - self.view.x + 0.5) * scale_x + self.left * across - 0.5
        y = (part.y - self.view.y + 0.5) * scale_y + self.top * down - 0.5
        matrix = np.array([[scale_x, 0, x], [0, scale_y, y]])
        seen = cv2.warpAffine(
            plane,
            matrix,
            (part.width, part.height),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        self._leave_out(seen, input_px, part, outside)
        return seen

    def _leave_out(self, seen: Any, input_px: tuple[int, int], part: View, outside: float) -> None:
        """Set to `outside` what was cut off because the input shows the middle only."""
        left, top = -self.left / self.scale_x + self.view.x - part.x, -self.top / self.scale_y + self.view.y - part.y
        right, bottom = left + input_px[0] / self.scale_x, top + input_px[1] / self.scale_y
        seen[: max(round(top), 0)] = outside
        seen[max(round(bottom), 0) :] = outside
        seen[:, : max(round(left), 0)] = outside
        seen[:, max(round(right), 0) :] = outside


class Input:
    """The input of a model; it keeps its memory between frames."""

    def __init__(self, options: ModelOptions, signature: Signature, metadata: Metadata, way: Way) -> None:
        """`way` is used where the options have none. Raises ProjectInvalid where it takes no pictures."""
        where = f"file: {options.file}" if options.file else f"model: {options.model}"
        if len(signature.inputs) != 1:
            msg = f"{where} has {len(signature.inputs)} inputs, expected one, a picture: {signature}"
            raise ProjectInvalid(msg)
        (info,) = signature.inputs
        shape = info.shape
        batch = shape[0] if len(shape) == 4 else 1
        sides = shape[-3:]
        self._last = len(sides) == 3 and sides[0] not in {1, 3} and sides[2] in {1, 3}
        channels = sides[2 if self._last else 0] if len(sides) == 3 else None
        if (
            len(shape) not in {3, 4}
            or batch not in {None, 1}
            or channels not in {None, 1, 3}
            or info.type not in _TYPES
        ):
            msg = (
                f"{where} takes {info}, expected one picture as 1x3xHxW, 1x1xHxW, 3xHxW or 1xHxWx3 of"
                f" {', '.join(_TYPES)}: {signature}"
            )
            raise ProjectInvalid(msg)
        self._channels = channels or 3
        own = (sides[1], sides[0]) if self._last else (sides[2], sides[1])
        self.size_px = _size(options, own, metadata, f"{where} takes {info}")
        self.fit = options.fit or way.fit
        self._smooth = (options.shrink or way.shrink) == "smooth"
        self._rank = len(shape)
        self._type: Any = np.dtype(info.type)
        self._swaps = options.channels == "rgb"
        self._scale, self._offset = _factors(options, self._channels, info.type, where)
        self._canvas = np.empty((0, 0), np.uint8)
        self._tensor = np.empty((0, 0, 0), np.float32)

    def empty(self) -> NDArray[Any]:
        """Return the tensor of a picture (h, w) that is all grey, for a first look at what comes out."""
        grey = np.full((self.size_px[1], self.size_px[0]), BAR_LEVEL, np.uint8)
        tensor, _ = self.show(grey, View(0, 0, *self.size_px))
        self._canvas, self._tensor = np.empty((0, 0), np.uint8), np.empty((0, 0, 0), np.float32)
        return tensor

    def show(self, image: NDArray[np.uint8], view: View) -> tuple[NDArray[Any], Fitted]:
        """Return the tensor of a view of `image`, (h, w) grey or (h, w, 3) BGR, which lasts until the next one."""
        width, height = self.size_px
        part = image[view.y : view.y + view.height, view.x : view.x + view.width]
        if self._channels == 1 and part.ndim == 3:
            part = cv2.cvtColor(part, cv2.COLOR_BGR2GRAY)  # type: ignore[assignment]  # uint8
        shape = (height, width, *part.shape[2:])
        if self._canvas.shape != shape:
            self._canvas = np.empty(shape, np.uint8)
            self._tensor = np.empty((self._channels, height, width), np.float32)
        fitted = self._fit(part, view)
        return self._numbers(), fitted

    def _fit(self, part: NDArray[np.uint8], view: View) -> Fitted:
        """Put the pixels of the view into the canvas."""
        width, height = self.size_px
        if self.fit == "stretch":
            self._put(part, View(0, 0, width, height))
            return Fitted(view, width / view.width, height / view.height, 0, 0)
        across, down = width / view.width, height / view.height
        if self.fit == "crop":
            scale = max(across, down)
            x, y = (view.width - width / scale) / 2, (view.height - height / scale) / 2
            seen = part[round(y) : view.height - round(y), round(x) : view.width - round(x)]
            self._put(seen, View(0, 0, width, height))
            scale_x, scale_y = width / seen.shape[1], height / seen.shape[0]
            return Fitted(view, scale_x, scale_y, -round(x) * scale_x, -round(y) * scale_y)
        scale = min(across, down)
        own_width, own_height = max(1, round(view.width * scale)), max(1, round(view.height * scale))
        left, top = round((width - own_width) / 2 - 0.1), round((height - own_height) / 2 - 0.1)
        self._put(part, View(left, top, own_width, own_height))
        return Fitted(view, own_width / view.width, own_height / view.height, left, top)

    def _put(self, part: NDArray[np.uint8], place: View) -> None:
        canvas = self._canvas
        if (place.width, place.height) != self.size_px:
            canvas[...] = BAR_LEVEL
        into = canvas[place.y : place.y + place.height, place.x : place.x + place.width]
        if part.shape == into.shape:
            into[...] = part
        elif self._smooth and (place.width < part.shape[1] or place.height < part.shape[0]):
            into[...] = _smoothly_shrunk(part, place.width, place.height)
        else:
            into[...] = cv2.resize(part, (place.width, place.height), interpolation=cv2.INTER_LINEAR)

    def _numbers(self) -> NDArray[Any]:
        canvas, tensor = self._canvas, self._tensor
        planes = cv2.split(canvas) if canvas.ndim == 3 else (canvas,) * self._channels
        for number in range(self._channels):
            plane = planes[len(planes) - 1 - number if self._swaps else number]
            np.multiply(plane, self._scale[number], out=tensor[number])
            if self._offset[number]:
                tensor[number] += self._offset[number]
        made: NDArray[Any] = tensor.transpose(1, 2, 0) if self._last else tensor
        if self._rank == 4:
            made = made[None]
        return np.ascontiguousarray(made, self._type)


def _smoothly_shrunk(part: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return `part`, (h, w) or (h, w, 3) BGR, at that size: each pixel a mean around it, of what is farther less.

    Pillow and torchvision shrink so: a triangle as wide as two new pixels. It is a box over the mean of a box.
    """
    across, down = (_box(old / new) for old, new in ((part.shape[1], width), (part.shape[0], height)))
    soft = cv2.sepFilter2D(part, -1, across, down, borderType=cv2.BORDER_REFLECT_101)
    return cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[return-value]  # uint8


def _box(wide_px: float) -> NDArray[np.float32]:
    """Return the mean over so many pixels as weights, their outermost counted in part."""
    whole = max(0, math.ceil((wide_px - 1) / 2))
    weights = np.ones(2 * whole + 1, np.float32)
    if whole:
        weights[[0, -1]] = (wide_px - (2 * whole - 1)) / 2
    weights /= weights.sum()
    return weights


def _size(options: ModelOptions, own: tuple[int | None, int | None], metadata: Metadata, takes: str) -> tuple[int, int]:
    """Return width and height of the input in px: the model's, the options', or those of its metadata."""
    given = tuple(options.size_px) if options.size_px else None
    if given and any(side is not None and side != wanted for side, wanted in zip(own, given, strict=True)):
        msg = f"size_px: is {list(given)}, but {takes}"
        raise ProjectInvalid(msg)
    guessed = given or metadata.size_px or (None, None)
    width, height = (side or other for side, other in zip(own, guessed, strict=True))
    if width is None or height is None:
        msg = f"size_px: is missing; {takes}, of any size: expected the [width, height] with which it was trained"
        raise ProjectInvalid(msg)
    return width, height


def _factors(
    options: ModelOptions, channels: int, kind: str, where: str
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return by what levels of each channel are multiplied, and what is added then."""
    for key, each in (("mean", options.mean), ("std", options.std)):
        if each is not None and len(each) not in {1, channels}:
            msg = f"{key}: has {len(each)} numbers, but {where} has {channels} channels"
            raise ProjectInvalid(msg)
    mean, std = np.array(options.mean or [0.0]), np.array(options.std or [1.0])
    white = options.white or (255.0 if kind == "uint8" else 1.0)
    scale = np.broadcast_to(white / 255 / std, channels)
    offset = np.broadcast_to(-mean / std, channels)
    return scale.astype(np.float32), offset.astype(np.float32)
