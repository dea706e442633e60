"""Small networks and drawn surfaces for the module `anomaly`: a backbone, and models as anomalib exports them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import onnx
from onnx import numpy_helper, parser

from bench.anomaly_accuracy import Decoded
from workers.modules.anomaly.learned_file import About, write_learned
from workers.modules.anomaly.methods import method_of
from workers.modules.anomaly.score import score_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.modules.anomaly.method import Learned

FIELDS = ("pred_score", "pred_label", "anomaly_map", "pred_mask")

_TYPES = {
    "pred_score": "float[N] pred_score",
    "pred_label": "bool[N] pred_label",
    "anomaly_map": "float[N, 1, h, w] anomaly_map",
    "pred_mask": "bool[N, 1, h, w] pred_mask",
}
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def features(path: Path, channels: int = 3, side: int | None = None, metadata: Mapping[str, str] | None = None) -> Path:
    """Write a backbone with weights by chance: `fine` has 12 features and stride 4, `coarse` 20 and stride 8."""
    random = np.random.default_rng(0)
    arrays = {
        name: random.normal(0, np.sqrt(2 / (9 * before)), (after, before, 3, 3)).astype(np.float32)
        for name, before, after in (("w1", channels, 8), ("w2", 8, 12), ("w3", 12, 20))
    }
    body = """
        c1 = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (image, w1)
        r1 = Relu (c1)
        c2 = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (r1, w2)
        fine = Relu (c2)
        c3 = Conv <pads = [1, 1, 1, 1], strides = [2, 2]> (fine, w3)
        coarse = Relu (c3)
    """
    sides = f"{side}, {side}" if side else "H, W"
    given = f"(float[1, {channels}, {sides}] image) => (float[1, 12, h, w] fine, float[1, 20, k, l] coarse)"
    return _write(path, given, body, arrays, metadata or {"mean": "127", "std": "128"})


def exported(
    path: Path,
    fields: Sequence[str] = FIELDS,
    side: int | None = None,
    *,
    sensitivities: bool = False,
    inner: int = 64,
    at_once: int | None = None,
) -> Path:
    """Write what anomalib exports: it makes a picture `inner` px wide and high, and normalises it, by itself.

    The brighter a place is the stranger: its map is the brightness, its score the highest of it. With `at_once` it
    takes so many pictures, no more and no fewer.
    """
    weights = [1 / each / sum(1 / other for other in _STD) for each in _STD]
    arrays = {
        "sizes": np.array([at_once or 1, 3, inner, inner]),
        "mean": np.array(_MEAN, np.float32).reshape(1, 3, 1, 1),
        "std": np.array(_STD, np.float32).reshape(1, 3, 1, 1),
        "back": (np.array(weights) * np.array(_STD)).astype(np.float32).reshape(1, 3, 1, 1),
        "offset": np.array(sum(w * m for w, m in zip(weights, _MEAN, strict=True)), np.float32),
        "half": np.array(0.5, np.float32),
        "flat": np.array([1]),
    }
    body = """
        small = Resize <mode = "linear"> (input, , , sizes)
        centred = Sub (small, mean)
        normal = Div (centred, std)
        weighed = Mul (normal, back)
        summed = ReduceSum <keepdims = 1> (weighed, flat)
        anomaly_map = Add (summed, offset)
        pred_score = ReduceMax <axes = [1, 2, 3], keepdims = 0> (anomaly_map)
        pred_label = Greater (pred_score, half)
        pred_mask = Greater (anomaly_map, half)
    """
    sides = f"{side}, {side}" if side else "H, W"
    more = ", float image_sensitivity, float pixel_sensitivity" if sensitivities else ""
    if sensitivities:
        body = body.replace("half)", "half_)") + "\n"
        body = "both = Mul (image_sensitivity, pixel_sensitivity)\nhalf_ = Sqrt (both)\n" + body
    gives = ", ".join(_TYPES[each] for each in fields)
    return _write(path, f"(float[{at_once or 'N'}, 3, {sides}] input{more}) => ({gives})", body, arrays, {})


def surface(seed: int, size: tuple[int, int] = (160, 200), *, colour: bool = False) -> NDArray[np.uint8]:
    """Draw a brushed surface, (h, w) grey or (h, w, 3) BGR: lines across, light that is not even, noise."""
    random = np.random.default_rng(seed)
    height, width = size
    lines = cv2.GaussianBlur(random.normal(0, 60, (height, width)).astype(np.float32), (0, 0), 12, sigmaY=0.6)
    across = np.linspace(-1, 1, width, dtype=np.float32)[None] * np.float32(random.uniform(-20, 20))
    grey = 125 + 3 * lines + across + random.normal(0, 2, size).astype(np.float32)
    if colour:
        tinted = grey[:, :, None] * np.array([0.9, 1.0, 1.08], np.float32)
        grey = tinted + random.normal(0, 2, tinted.shape).astype(np.float32)
    return np.asarray(np.clip(grey, 0, 255), np.uint8)


def spotted(seed: int, at: tuple[int, int] = (120, 80), radius_px: int = 9, **look: Any) -> NDArray[np.uint8]:
    """Draw a surface with a dark spot at (x, y), (h, w) grey or (h, w, 3) BGR."""
    image = surface(seed, **look)
    cv2.ellipse(image, at, (radius_px, radius_px), 0, 0, 360, (30, 30, 30), -1, cv2.LINE_AA)
    return image


def teach(
    folder: Path, file: str, good: Sequence[NDArray[np.uint8]], backbone: str = "models/features.onnx", **more: Any
) -> About:
    """Have `neighbours` learn of `good`, (h, w) or (h, w, 3) BGR, in the project `folder`, and write `file` of it.

    The threshold is 1.4 times the usual score of a good one, each scored by what was learned of half of the others.
    """
    if not (folder / backbone).exists():
        features(folder / backbone)
    halves = good[::2], good[1::2]
    learned = _learned(good, folder / backbone)
    of_half = [_learned(half, folder / backbone) for half in halves]
    scores = [score_of(of_half[1 - at].heat(image, lambda: None)) for at, half in enumerate(halves) for image in half]
    height, width = good[0].shape[:2]
    said: dict[str, Any] = {
        "method": "neighbours",
        "threshold": 1.4 * float(np.median(scores)),
        "false_alarms": 0.01,
        "seed": 0,
        "image_px": (width, height),
        "channels": 1 if good[0].ndim == 2 else 3,
        "backbone": backbone,
    }
    about = About(**{**said, **more})
    write_learned(folder / file, about, learned.arrays())
    return about


def _learned(good: Sequence[NDArray[np.uint8]], backbone: Path) -> Learned:
    return method_of("neighbours").learn(Decoded(good), 0, lambda *_: None, None, backbone)


def _write(path: Path, given: str, body: str, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> Path:
    model = parser.parse_model(f'<ir_version: 9, opset_import: ["" : 17]> made {given} {{ {body} }}')
    used = {name for node in model.graph.node for name in node.input}
    kept = [numpy_helper.from_array(values, name) for name, values in arrays.items() if name in used]
    model.graph.initializer.extend(kept)
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)
    return path
