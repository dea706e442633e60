"""Small models whose answers are known, in the forms of common exports: they find red and green squares of 8x8 px.

Nothing is trained: convolutions tell how much redder than green a place is, less what is around it, and the other way
round. A square of full red has confidence 1 where it lies, one of half red 0.5. Planes say of each pixel what it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper, parser

SQUARE_PX = 8
NAMES = ("red", "green")
MOST = 20

_SURE = """
    mixed = Conv (images4, colours)
    only = Relu (mixed)
    different = Conv <pads = [2, 2, 2, 2], group = 2> (only, square)
    found = Relu (different)
    sure = Reshape (found, flat)
"""
_BEST = """
    highest = ReduceMax <axes = [1], keepdims = 0> (sure)
    scores2, order = TopK <axis = 1> (highest, most)
    scores = Squeeze (scores2, zero)
    places = Squeeze (order, zero)
    boxes = Gather <axis = 0> (corners, places)
    classes = ArgMax <axis = 1, keepdims = 0> (sure)
    labels2 = Gather <axis = 1> (classes, places)
    labels = Squeeze (labels2, zero)
"""
_DETECTORS = {
    "ultralytics": (
        "float[1, 6, N] output0",
        "images4 = Identity (images)" + _SURE + "output0 = Concat <axis = 1> (middles, sure)",
    ),
    "yolov5": (
        "float[1, N, 7] output0",
        "images4 = Identity (images)"
        + _SURE
        + "columns = Concat <axis = 1> (middles, ones, sure)"
        + "\noutput0 = Transpose <perm = [0, 2, 1]> (columns)",
    ),
    "ultralytics_nms": (
        "float[1, 20, 6] output0",
        "images4 = Identity (images)"
        + _SURE
        + _BEST
        + """
    numbers = Cast <to = 1> (labels)
    column0 = Unsqueeze (scores, one)
    column1 = Unsqueeze (numbers, one)
    rows = Concat <axis = 1> (boxes, column0, column1)
    output0 = Unsqueeze (rows, zero)
""",
    ),
    "boxes": (
        "float[K, 4] boxes, int64[K] labels, float[K] scores",
        "images4 = Unsqueeze (images, zero)" + _SURE + _BEST,
    ),
}
_MASKS = """
    redness_and_greenness = ReduceMax <axes = [1], keepdims = 1> (only)
    masks = Expand (redness_and_greenness, each)
"""
_PLANES = """
    small = AveragePool <kernel_shape = [4, 4], strides = [4, 4]> (images)
    planes = Conv (small, weights, bias)
"""


def detector(
    path: Path,
    side: int = 64,
    form: str = "ultralytics",
    *,
    masks: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a detector of squares in pictures of `side` px; `form` is one of the module's formats.

    `boxes` takes 3xHxW as torchvision's models do, and gives the surest places, whatever lies over each other; with
    `masks` one for each: all that is of any colour.
    """
    gives, body = _DETECTORS[form]
    if masks:
        gives += f", float[K, 1, {side}, {side}] masks"
        body += _MASKS
    takes = f"float[3, {side}, {side}]" if form == "boxes" else f"float[1, 3, {side}, {side}]"
    arrays = _places(side)
    gives = gives.replace("N", str(arrays["middles"].shape[2]))
    return _write(path, (takes, gives), body, arrays, metadata or {})


def segmenter(path: Path, side: int = 64, metadata: Mapping[str, str] | None = None) -> Path:
    """Write what finds squares with masks, as Ultralytics' exports do: a prototype of red, and one of green."""
    arrays = _places(side)
    arrays["bias"] = np.full(2, -10, np.float32)
    arrays["colour_weights"] = 20 * _colours()
    body = (
        "images4 = Identity (images)"
        + _SURE
        + "output0 = Concat <axis = 1> (middles, sure, sure)"
        + _PLANES.replace("weights, bias", "colour_weights, bias").replace("planes", "output1")
    )
    gives = f"float[1, 8, {arrays['middles'].shape[2]}] output0, float[1, 2, {side // 4}, {side // 4}] output1"
    return _write(path, (f"float[1, 3, {side}, {side}]", gives), body, arrays, metadata or {})


def planes(path: Path, side: int = 64, form: str = "logits", metadata: Mapping[str, str] | None = None) -> Path:
    """Write what says of each 4x4 px whether it is nothing, red or green: `logits`, `softmax`, `classes`, or `one`.

    `classes` gives numbers of classes, `one` a single plane of logits, of red.
    """
    small = side // 4
    weights, bias = np.zeros((3, 3, 1, 1), np.float32), np.array([10, 0, 0], np.float32)
    weights[1:] = 20 * _colours()
    if form == "one":
        weights, bias = weights[1:2], np.array([-10], np.float32)
    gives = f"float[1, {len(bias)}, {small}, {small}] masks"
    body = (
        _PLANES
        + {
            "logits": "masks = Identity (planes)",
            "one": "masks = Identity (planes)",
            "softmax": "masks = Softmax <axis = 1> (planes)",
            "classes": "masks = ArgMax <axis = 1, keepdims = 0> (planes)",
        }[form]
    )
    if form == "classes":
        gives = f"int64[1, {small}, {small}] masks"
    return _write(
        path, (f"float[1, 3, {side}, {side}]", gives), body, {"weights": weights, "bias": bias}, metadata or {}
    )


def classifier(
    path: Path, side: int = 64, *, softmax: bool = False, size: str = "", metadata: Mapping[str, str] | None = None
) -> Path:
    """Write what says how red, green and blue a picture is on average: ten times that, or softmax of it."""
    size = size or f"{side}, {side}"
    last = "logits = Softmax <axis = 1> (tens)" if softmax else "logits = Identity (tens)"
    body = f"""
        means4 = GlobalAveragePool (images)
        means = Flatten <axis = 1> (means4)
        tens = Mul (means, ten)
        {last}
    """
    arrays = {"ten": np.array([10], np.float32)}
    return _write(path, (f"float[1, 3, {size}]", "float[1, 3] logits"), body, arrays, metadata or {})


def ultralytics(task: str, side: int, names: tuple[str, ...] = NAMES, **more: str) -> dict[str, str]:
    """Return the metadata of an Ultralytics export."""
    return {
        "stride": "32",
        "task": task,
        "imgsz": str([side, side]),
        "names": str(dict(enumerate(names))),
        "batch": "1",
        **more,
    }


def _write(
    path: Path, given: tuple[str, str], body: str, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]
) -> Path:
    """Write a model; `given` are the type of its input `images`, and its outputs with theirs."""
    takes, gives = given
    text = f'<ir_version: 9, opset_import: ["" : 17]> squares ({takes} images) => ({gives}) {{ {body} }}'
    model = parser.parse_model(text)
    used = {name for node in model.graph.node for name in node.input}
    kept = [numpy_helper.from_array(values, name) for name, values in arrays.items() if name in used]
    model.graph.initializer.extend(kept)
    helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path


def _colours() -> NDArray[np.float32]:
    """Return (2, 3, 1, 1) for RGB: how much redder than green, and greener than red."""
    return np.array([[1, -1, 0], [-1, 1, 0]], np.float32)[:, :, None, None]


def _places(side: int) -> dict[str, NDArray[Any]]:
    """Return what detectors hold: the boxes of all places, as the convolution goes over them, and some numbers."""
    first = np.arange(side - SQUARE_PX + 1) + SQUARE_PX / 2
    y, x = (each.ravel() for each in np.meshgrid(first, first, indexing="ij"))
    half = SQUARE_PX / 2
    size = np.full_like(x, SQUARE_PX)
    square = np.pad(np.full((SQUARE_PX, SQUARE_PX), 1 / SQUARE_PX**2), 2, constant_values=-1 / (4 * SQUARE_PX))
    return {
        "colours": _colours(),
        "square": np.stack([square[None]] * 2).astype(np.float32),
        "flat": np.array([1, 2, len(x)]),
        "middles": np.stack([x, y, size, size])[None].astype(np.float32),
        "corners": np.stack([x - half, y - half, x + half, y + half], axis=1).astype(np.float32),
        "ones": np.ones((1, 1, len(x)), np.float32),
        "most": np.array([MOST]),
        "each": np.array([MOST, 1, 1, 1]),
        "zero": np.array([0]),
        "one": np.array([1]),
    }


def large(path: Path, side: int = 224) -> Path:
    """Write a classifier of about 86 MB that has learned nothing, its weights in a file beside it."""
    body, last, arrays = _layers((3, 32, 64, 128, 256, 512, 768, 1024, 1024))
    body += f"pooled = GlobalAveragePool ({last})\nlogits = Flatten <axis = 1> (pooled)"
    written = _write(path, (f"float[1, 3, {side}, {side}]", "float[1, 1024] logits"), body, arrays, {})
    data = f"{path.stem}.data"
    onnx.save(onnx.load(written), written, save_as_external_data=True, location=data, size_threshold=1024)
    return written


def backbone(path: Path, side: int) -> Path:
    """Write a detector of about 10 MB that has learned nothing and finds nothing, as Ultralytics' with 80 classes."""
    body, last, arrays = _layers((3, 16, 32, 64, 128, 256, 256, 256, 256))
    count = (side // 32) ** 2
    arrays |= {"head": np.zeros((84, 256, 1, 1), np.float32), "flat": np.array([1, 84, count])}
    body += f"all = Conv ({last}, head)\noutput0 = Reshape (all, flat)"
    names = tuple(f"class {number}" for number in range(80))
    given = f"float[1, 3, {side}, {side}]", f"float[1, 84, {count}] output0"
    return _write(path, given, body, arrays, ultralytics("detect", side, names))


def _layers(channels: tuple[int, ...]) -> tuple[str, str, dict[str, NDArray[Any]]]:
    """Return convolutions of 3x3 as text, the name of what the last one gives, and their weights at random.

    The first five go in steps of two.
    """
    random = np.random.default_rng(0)
    arrays: dict[str, NDArray[Any]] = {}
    body, last = "", "images"
    for number, (before, after) in enumerate(pairwise(channels)):
        arrays[f"w{number}"] = random.normal(0, np.sqrt(2 / (9 * before)), (after, before, 3, 3)).astype(np.float32)
        arrays[f"b{number}"] = np.zeros(after, np.float32)
        stride = 2 if number < 5 else 1
        body += f"""
            c{number} = Conv <pads = [1, 1, 1, 1], strides = [{stride}, {stride}]> ({last}, w{number}, b{number})
            r{number} = Relu (c{number})
        """
        last = f"r{number}"
    return body, last, arrays
