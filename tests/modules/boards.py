"""Boards to compare, drawn and changed, and the `reference` module that compares them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.projects import surroundings_in
from workers.context.context import new_context
from workers.context.run import Context, Run
from workers.modules.reference.module import Reference
from workers.modules.reference.options import ReferenceOptions

Image = NDArray[np.uint8]
Module = Callable[[Context, Run], None]


def read_picture(path: Path) -> Image:
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return cast("Image", image)


def drawn_board(colour: tuple[int, int, int] = (40, 110, 30)) -> Image:
    """Draw a small board, 640x512 BGR: wide and thin traces, pads and text."""
    image = np.full((512, 640, 3), colour, np.uint8)
    copper = (90, 180, 220)
    for y in range(60, 460, 80):
        cv2.line(image, (40, y), (600, y), copper, 12)
        cv2.line(image, (40, y + 30), (600, y + 30), copper, 4)
        for x in range(60, 600, 120):
            cv2.circle(image, (x, y), 18, copper, -1)
            cv2.circle(image, (x, y), 7, (20, 20, 20), -1)
    cv2.putText(image, "REV A", (250, 500), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (230, 230, 230), 2)
    return image


def references(folder: Path, **goldens: Image) -> Path:
    for name, image in goldens.items():
        assert cv2.imwrite(str(folder / f"{name}.png"), image)
    return folder


def reference_module(folder: Path, image: str = "{data}.png", **options: Any) -> Module:
    return Reference(ReferenceOptions(image=image, **options), surroundings_in(folder, 7, "UNSUPERVISED"))


def judge(module: Module, image: Image, data: str = "board") -> dict[str, Any]:
    frame = image.copy()
    frame.flags.writeable = False
    context = new_context(frame, data)
    module(context, Run.start(2**62))
    return context


def shifted(image: Image, dx: float, dy: float) -> Image:
    size = (image.shape[1], image.shape[0])
    matrix = np.array([[1, 0, dx], [0, 1, dy]], float)
    return cast("Image", cv2.warpAffine(image, matrix, size, borderValue=(128, 128, 128)))


def lit(image: Image, gain: float, offset: float = 0.0) -> Image:
    lit: Image = np.clip(np.rint(image * gain + offset), 0, 255).astype(np.uint8)
    return lit


def noisy(image: Image, sigma: float) -> Image:
    noise = np.random.default_rng(5).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def jpeg(image: Image, quality: int) -> Image:
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return cast("Image", cv2.imdecode(encoded, cv2.IMREAD_COLOR))


GOOD: dict[str, Callable[[Image], Image]] = {
    "the golden image itself": lambda image: image,
    "1 px to the right": lambda image: shifted(image, 1, 0),
    "2 px up": lambda image: shifted(image, 0, -2),
    "3 px to the left and down": lambda image: shifted(image, -3, 3),
    "between pixels": lambda image: shifted(image, 2.5, -1.5),
    "15 percent brighter": lambda image: lit(image, 1.15),
    "15 percent darker": lambda image: lit(image, 0.85),
    "less contrast on a veil": lambda image: lit(image, 0.8, 25),
    "noise": lambda image: noisy(image, 6),
    "jpeg": lambda image: jpeg(image, 85),
    "all at once": lambda image: jpeg(noisy(lit(shifted(image, 3, -2), 0.87, 5), 5), 85),
}


def patched(image: Image, x: int, y: int, width: int, height: int, colour: tuple[int, int, int]) -> Image:
    patched = image.copy()
    patched[y : y + height, x : x + width] = colour
    return patched


def covers(rectangle: dict[str, Any], x: int, y: int) -> bool:
    inside_x = rectangle["x"] <= x < rectangle["x"] + rectangle["width"]
    return inside_x and bool(rectangle["y"] <= y < rectangle["y"] + rectangle["height"])


def label(rectangle: dict[str, Any]) -> str:
    return str(rectangle["classNames"][0]["label"])
