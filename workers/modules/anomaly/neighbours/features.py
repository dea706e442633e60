"""What a backbone makes of a picture: one grid of features, each place with what its surroundings look like.

image (h, w[, 3]) uint8 --light--> relative to the brightness around --backbone--> maps --> (rows, columns, features)

The backbone is an ONNX file that takes one picture and gives feature maps of any stride. Its metadata may say `mean`
and `std`, by which levels of 0..255 are made its numbers; without, they are ImageNet's, with which most are trained.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from workers.errors import ProjectInvalid
from workers.modules.models.local import LocalNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from workers.context.run import LookAtTime
    from workers.modules.models.network import Signature

INPUT_PX = 58_000  # area of what the backbone sees of a usual picture: some 10 ms
MOST_PX = 4 * INPUT_PX

_PAD_PX = 32  # mirrored around the picture: zeros, which networks put there, are strange
_MULTIPLE_PX = 16
_LEAST_PX = 48  # more than is mirrored
_GRID_PX = 8
_AROUND_PX = 24  # sigma of what a place's brightness is compared with
_DARK_LEVELS = 16  # added to that, or noise in the dark would be large
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
_LEAST_SHARE = 0.5  # of the usual contrast
_BLUR = 3  # places of a map whose mean is taken
_GRAY, _HALF = 127.0, 128.0


class Backbone:
    """A backbone; it keeps no memory between pictures but that of its session."""

    def __init__(self, path: Path) -> None:
        """Load it; raises ProjectInvalid where it cannot be loaded, takes no picture, or gives no maps."""
        self._name = path.name
        self._network = LocalNetwork(path, path.name)
        signature = self._network.signature(0)
        self.fixed_px = self._input_px(signature)
        channels = signature.inputs[0].shape[1] or 3
        self._scale, self._offset = _numbers(signature.metadata, channels, path.name)
        grey = np.full((64, 64), int(_GRAY), np.uint8)
        maps = self._maps(self._tensor(relative_light(grey), self._canvas_px(64, 64)))
        if not maps or any(each.ndim != 4 or each.shape[0] != 1 or each.dtype.kind != "f" for each in maps):
            msg = f"backbone: {path.name} gives no feature maps (1 x features x rows x columns): {signature}"
            raise ProjectInvalid(msg)
        self.count = sum(each.shape[1] for each in maps)

    def grid(self, image: NDArray[np.uint8], scale: float, contrast: float, look_at_time: LookAtTime) -> Any:
        """Return features of `image`, (h, w) grey or (h, w, 3) BGR: (rows, columns, features) float32.

        The backbone sees it `scale` times as large. `contrast` is what `contrast_of` usual pictures is: one with less
        is shown with as much, but for one that has nearly none, where only noise would be made larger.
        """
        width, height = self._canvas_px(round(image.shape[1] * scale), round(image.shape[0] * scale))
        shrinks = width < image.shape[1] or height < image.shape[0]
        fitted = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        light = relative_light(np.asarray(fitted))
        light /= np.float32(2 * max(float(light.std()), contrast * _LEAST_SHARE))
        tensor = self._tensor(light, (width, height))
        look_at_time()
        maps = self._maps(tensor)
        look_at_time()
        pad = 0 if self.fixed_px else _PAD_PX
        rows, columns = max(1, height // _GRID_PX), max(1, width // _GRID_PX)
        grid = np.empty((rows, columns, self.count), np.float32)
        at = 0
        for each in maps:
            _put(each[0], pad / (height + 2 * pad), pad / (width + 2 * pad), grid[:, :, at : at + each.shape[1]])
            at += each.shape[1]
            look_at_time()
        return grid

    def _canvas_px(self, width: int, height: int) -> tuple[int, int]:
        """Return the size in which a picture is seen, without what is mirrored around it."""
        if self.fixed_px:
            return self.fixed_px
        return max(_LEAST_PX, _rounded(width)), max(_LEAST_PX, _rounded(height))

    def _tensor(self, light: NDArray[np.float32], size_px: tuple[int, int]) -> NDArray[np.float32]:
        """Return (1, channels, height, width) of light (h, w) or (h, w, 3) BGR, mirrored around where it may be."""
        if light.shape[1::-1] != size_px:
            light = np.asarray(cv2.resize(light, size_px), np.float32)
        if not self.fixed_px:
            light = np.pad(light, [(_PAD_PX, _PAD_PX)] * 2 + [(0, 0)] * (light.ndim - 2), mode="reflect")
        channels = len(self._scale)
        if channels == 1 and light.ndim == 3:
            light = light.mean(axis=2)
        tensor = np.empty((1, channels, *light.shape[:2]), np.float32)
        for number in range(channels):
            plane = light if light.ndim == 2 else light[:, :, channels - 1 - number]
            np.multiply(plane, self._scale[number], out=tensor[0, number])
            tensor[0, number] += self._offset[number]
        return tensor

    def _maps(self, tensor: NDArray[np.float32]) -> list[NDArray[Any]]:
        try:
            return [each.values for each in self._network.run(tensor, 0)]
        except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each status, and no common one
            why = " ".join(str(error).split())[:300]
            shape = " x ".join(map(str, tensor.shape))
            msg = f"backbone: {self._name} fails on a picture of {shape}: {why}"
            raise ProjectInvalid(msg) from None

    def _input_px(self, signature: Signature) -> tuple[int, int] | None:
        """Return width and height where the backbone takes no other; raises ProjectInvalid."""
        inputs = signature.inputs
        shape = inputs[0].shape if inputs else ()
        usable = len(inputs) == 1 and len(shape) == 4 and inputs[0].type == "float32"
        if (
            not usable
            or shape[0] not in {None, 1}
            or shape[1] not in {None, 1, 3}
            or (shape[2] is None) != (shape[3] is None)
        ):
            msg = f"backbone: {self._name} takes no picture (float32, 1x3xHxW or 1x1xHxW): {signature}"
            raise ProjectInvalid(msg)
        return None if shape[2] is None or shape[3] is None else (shape[3], shape[2])


def scale_for(area_px: float) -> float:
    """Return how large the backbone sees pictures of that area, in px: those that are small are not made larger."""
    return min(1.0, math.sqrt(INPUT_PX / area_px))


def relative_light(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return by what share each pixel of `image`, (h, w) or (h, w, 3) BGR, is brighter than its surroundings are."""
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    around = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), _AROUND_PX) + np.float32(_DARK_LEVELS)
    whole = around if image.ndim == 2 else around[:, :, None]
    light: NDArray[np.float32] = (image.astype(np.float32) + np.float32(_DARK_LEVELS)) / whole - np.float32(1)
    return light


def contrast_of(image: NDArray[np.uint8], scale: float) -> float:
    """Return how much the light of `image`, (h, w) or (h, w, 3) BGR, seen `scale` times as large, goes up and down."""
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return float(relative_light(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))).std())


def _put(map_: NDArray[Any], pad_y: float, pad_x: float, grid: NDArray[np.float32]) -> None:
    """Put a map (features, h, w) into `grid` (rows, columns, features); its borders are shares of it."""
    count, height, width = map_.shape
    rows, columns = grid.shape[:2]
    inner_h, inner_w = height * (1 - 2 * pad_y), width * (1 - 2 * pad_x)
    step_y, step_x = inner_h / rows, inner_w / columns
    blurred = np.empty((height, width), np.float32)
    matrix = np.array(
        [[step_x, 0, pad_x * width + step_x / 2 - 0.5], [0, step_y, pad_y * height + step_y / 2 - 0.5]], np.float64
    )
    finer = step_x > 1 or step_y > 1
    side = (_BLUR * max(1, round(step_x)), _BLUR * max(1, round(step_y))) if finer else (_BLUR, _BLUR)
    for number in range(count):
        cv2.blur(map_[number], side, dst=blurred, borderType=cv2.BORDER_REFLECT_101)
        grid[:, :, number] = cv2.warpAffine(
            blurred,
            matrix,
            (columns, rows),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def _numbers(metadata: Mapping[str, str], channels: int, name: str) -> tuple[list[float], list[float]]:
    """Return by what relative light is multiplied for each channel, and what is added then."""
    mean = _per_channel(metadata.get("mean"), _MEAN, channels, f"backbone: {name}: mean")
    std = _per_channel(metadata.get("std"), _STD, channels, f"backbone: {name}: std")
    if min(std) <= 0:
        msg = f"backbone: {name}: std in its metadata is {std}, expected numbers above 0"
        raise ProjectInvalid(msg)
    return [_HALF / each for each in std], [(_GRAY - each) / other for each, other in zip(mean, std, strict=True)]


def _per_channel(text: str | None, usual: tuple[float, ...], channels: int, what: str) -> list[float]:
    if text is None:
        return list(usual) if channels == len(usual) else [sum(usual) / len(usual)]
    try:
        numbers = [float(each) for each in text.strip("[]() ").split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= channels
    if len(numbers) != channels or not all(map(math.isfinite, numbers)):
        msg = f"{what} in its metadata is {text[:100]!r}, expected a number, or {channels} with commas between them"
        raise ProjectInvalid(msg)
    return numbers


def _rounded(side_px: int) -> int:
    return round(side_px / _MULTIPLE_PX) * _MULTIPLE_PX
