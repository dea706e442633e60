"""Pictures with red and green squares, for models that find these (bench/tiny_models.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.projects import inspect, write_project
from workers.flow.flow import Flow
from workers.flow.project import load_project

Image = NDArray[np.uint8]

BGR = {"red": (0, 0, 255), "green": (0, 255, 0), "half red": (0, 0, 128)}


def squares(*placed: tuple[str, int, int], size: tuple[int, int] = (64, 64), side: int = 8) -> Image:
    """Draw squares of that side: colour, left, top; `size` is (height, width)."""
    image = np.zeros((*size, 3), np.uint8)
    for color, x, y in placed:
        image[y : y + side, x : x + side] = BGR[color]
    return image


def prepared(folder: Path, module: str, options: str = "") -> Flow:
    """Prepare a flow of one module with these options, TOML; its model is `model.onnx` unless they say otherwise."""
    file = "" if "file =" in options or "server =" in options else 'file = "model.onnx"\n'
    return Flow.prepare(load_project(write_project(folder, f'[[flow]]\nmodule = "{module}"\n{file}{options}\n')))


def looked(flow: Flow, image: Image) -> dict[str, Any]:
    """Return the context of a frame that was inspected without an error."""
    context = inspect(flow, image).context
    assert context["errors"] == []
    return context


def found(context: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return label, x, y, width and height of each rectangle, from left to right."""
    boxes = sorted(context["detectedRectangles"], key=lambda each: (each["x"], each["y"]))
    return [(each["classNames"][0]["label"], *(each[key] for key in ("x", "y", "width", "height"))) for each in boxes]
