"""A detector of about 10 MB that costs what the smallest YOLO do: 5.7 GFLOP at 640x640, in the form of their exports.

Its weights are random, so what it finds means nothing; but it finds some in every picture, at 8,400 places of three
sizes, of 80 classes. Three by three convolutions with SiLU, shortcuts around pairs, heads at strides of 8, 16 and 32.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bench.tiny_models import ultralytics

SIDE_PX = 640
CLASSES = 80
_STAGES = ((32, 2), (64, 2), (128, 2), (256, 2))  # channels, and how many convolutions at that size
_HEADS = ((8, 64), (16, 128), (32, 256))  # stride, channels of the stage
_HEAD_CHANNELS = 64
_SURE = -6.0  # the logit around which all say that there is something: a few dozen places are surer than 0.25
_SPREAD = 0.3


def write(path: Path) -> Path:
    """Write it."""
    made = _Making()
    last = made.convolved("images", 3, 16, stride=2)
    before, ends = 16, dict[int, str]()
    for channels, count in _STAGES:
        last = made.convolved(last, before, channels, stride=2)
        shortcut = last
        for _ in range(count):
            last = made.convolved(last, channels, channels)
        last = made.node("Add", last, shortcut)
        before = channels
        ends[channels] = last
    boxes, scores = [], []
    for stride, channels in _HEADS:
        seen = made.convolved(ends[channels], channels, _HEAD_CHANNELS)
        flat = made.array(np.array([1, -1, (SIDE_PX // stride) ** 2]))
        boxes.append(_boxes(made, made.node("Reshape", made.linear(seen, 4, 0.15, 0.0), flat), stride))
        scores.append(made.node("Reshape", made.linear(seen, CLASSES, _SPREAD, _SURE), flat))
    every = made.node("Concat", *boxes, axis=2)
    sure = made.node("Sigmoid", made.node("Concat", *scores, axis=2))
    made.node("Concat", every, sure, axis=1, gives="output0")
    return made.write(path, sum((SIDE_PX // stride) ** 2 for stride, _ in _HEADS))


def _boxes(made: _Making, said: str, stride: int) -> str:
    """Return the middles and sizes of the boxes of one head, 1x4xN: around each place, of about eight strides."""
    side = SIDE_PX // stride
    y, x = np.mgrid[:side, :side].reshape(2, -1)
    sizes = np.full(side * side, 8.0)
    places = np.stack([x + 0.5, y + 0.5, sizes, sizes])[None] * stride
    moved = made.node("Mul", said, made.array(np.array(stride, np.float32)))
    return made.node("Add", moved, made.array(places.astype(np.float32)))


class _Making:
    """Nodes and weights so far."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._nodes: list[onnx.NodeProto] = []
        self._arrays: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, gives: str = "", **attributes: Any) -> str:
        """Add a node; return the name of what it gives."""
        name = gives or f"n{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def array(self, values: NDArray[np.generic]) -> str:
        """Add an array; return its name."""
        name = f"a{len(self._arrays)}"
        self._arrays.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def convolved(self, given: str, before: int, after: int, stride: int = 1) -> str:
        """Add a convolution of 3x3 and SiLU, whose answers are as wide as what it is given."""
        scale = np.sqrt(2.6 / (9 * before))
        weights = self._random.normal(0, scale, (after, before, 3, 3)).astype(np.float32)
        arrays = self.array(weights), self.array(np.zeros(after, np.float32))
        said = self.node("Conv", given, *arrays, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[stride, stride])
        return self.node("Mul", said, self.node("Sigmoid", said))

    def linear(self, given: str, after: int, spread: float, middle: float) -> str:
        """Add a convolution of 1x1 whose answers are about so wide around a middle."""
        weights = self._random.normal(0, spread / np.sqrt(_HEAD_CHANNELS), (after, _HEAD_CHANNELS, 1, 1))
        arrays = self.array(weights.astype(np.float32)), self.array(np.full(after, middle, np.float32))
        return self.node("Conv", given, *arrays, kernel_shape=[1, 1])

    def write(self, path: Path, places: int) -> Path:
        """Write the model that has `places`."""
        given = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])
        gives = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 4 + CLASSES, places])
        graph = helper.make_graph(self._nodes, "nano", [given], [gives], self._arrays)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        names = tuple(f"class {number}" for number in range(CLASSES))
        helper.set_model_props(model, ultralytics("detect", SIDE_PX, names))
        onnx.checker.check_model(model, full_check=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        onnx.save(model, path)
        return path
