"""A model that anomalib has exported to ONNX, as it looks at pictures.

It has the input `input`, a picture 1x3xHxW of RGB in 0..1 in any size or a fixed one, which it makes smaller and
normalises itself; newer ones have `image_sensitivity` and `pixel_sensitivity` beside it. Its outputs are the fields of
its batch that it knows: `pred_score`, `pred_label`, `anomaly_map`, `pred_mask`. The threshold of its scores is 0.5.
Some kinds (PatchCore of anomalib 2.7) come out for exactly two pictures at a time: such a one gets the same twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from workers.errors import ModelFailed, ProjectInvalid
from workers.modules.anomaly.look import Look
from workers.modules.models.local import LocalNetwork, Sessions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from workers.context.run import LookAtTime
    from workers.modules.models.network import Signature

THRESHOLD = 0.5

_FIELDS = ("pred_score", "pred_label", "anomaly_map", "pred_mask")
_SENSITIVITIES = ("image_sensitivity", "pixel_sensitivity")
_SENSITIVITY = 0.5  # the one with which it was exported; ours is an option of the module
_MOST_AT_ONCE = 8  # pictures that a model may insist on; each costs its time
_TRIED_PX = 256
_MEAN_LEVEL = 127


class Exported:
    """The model; one picture at a time."""

    def __init__(self, sessions: Sessions, file: str, *, judges: bool) -> None:
        """Load `file`; with `judges` its own label counts. Raises ProjectInvalid where it is no such model."""
        self._network: LocalNetwork = sessions.of(file)
        self._where, self._judges = f"file: {file}", judges
        self._signature = self._network.signature(0)
        self._input_px = _input_px(self._signature, self._where)
        self._at_once = self._signature.inputs[0].shape[0] or 1
        others = self._signature.inputs[1:]
        self._beside = {each.name: np.full((1,) * len(each.shape), _SENSITIVITY, np.float32) for each in others}
        self.threshold = THRESHOLD
        self._check()

    def look(self, image: NDArray[np.uint8], mask: NDArray[np.uint8] | None, look_at_time: LookAtTime) -> Look:
        """Look at `image`, (h, w) grey or (h, w, 3) BGR; where `mask` (h, w) is 0 the picture is painted grey before.

        Raises ModelFailed where it gives what cannot be read.
        """
        if mask is not None:
            image = image.copy()
            image[mask == 0] = _MEAN_LEVEL
        tensor = self._tensor(image)
        look_at_time()
        try:
            fields = self._fields(tensor)
        except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each status, and no common one
            why = " ".join(str(error).split())[:500]
            msg = f"the model fails on a picture of {image.shape[1]} x {image.shape[0]} px: {why}"
            raise ModelFailed(msg) from None
        look_at_time()
        return self._read(fields, mask)

    def _fields(self, tensor: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        """Return what it says of the one picture, 1x3xHxW; raises whatever onnxruntime does."""
        tensor, count = np.repeat(tensor, self._at_once, axis=0), self._at_once
        outputs = [each for each in self._network.run(tensor, 0, beside=self._beside) if each.name in _FIELDS]
        return {name: values[:1] if values.ndim and len(values) == count else values for name, values in outputs}

    def _tensor(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return 1x3xHxW of RGB in 0..1."""
        size = self._input_px or (image.shape[1], image.shape[0])
        if image.shape[1::-1] != size:
            shrinks = size[0] < image.shape[1] or size[1] < image.shape[0]
            image = np.asarray(
                cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8
            )
        tensor = np.empty((1, 3, size[1], size[0]), np.float32)
        for number in range(3):
            plane = image if image.ndim == 2 else image[:, :, 2 - number]
            np.multiply(plane, np.float32(1 / 255), out=tensor[0, number])
        return tensor

    def _read(self, fields: Mapping[str, NDArray[Any]], mask: NDArray[np.uint8] | None) -> Look:
        heat = None
        if "anomaly_map" in fields:
            map_ = fields["anomaly_map"]
            heat = np.ascontiguousarray(map_.reshape(map_.shape[-2:]), np.float32)
        elif "pred_mask" in fields:
            map_ = fields["pred_mask"]
            heat = np.ascontiguousarray(map_.reshape(map_.shape[-2:]), np.float32)
        if heat is not None and mask is not None:
            there = np.asarray(cv2.resize(mask, heat.shape[::-1], interpolation=cv2.INTER_AREA))
            heat = np.where(there > 0, heat, np.float32(0))
        score = float(fields["pred_score"].ravel()[0]) if "pred_score" in fields else float(np.max(heat))  # type: ignore[arg-type]  # one of both is there
        if not np.isfinite(score) or (heat is not None and np.isnan(heat).any()):
            msg = "what the model says of the picture is not a number in places: nothing can be told of it"
            raise ModelFailed(msg)
        label = bool(fields["pred_label"].ravel()[0]) if self._judges and "pred_label" in fields else None
        return Look(score, heat, label)

    def _check(self) -> None:
        """Have it look at a grey picture; raises ProjectInvalid where its outputs are none of anomalib's."""
        names = {each.name for each in self._signature.outputs}
        if not names & {"pred_score", "anomaly_map"}:
            msg = f"{self._where} gives neither pred_score nor anomaly_map, as models of anomalib do: {self._signature}"
            raise ProjectInvalid(msg)
        width, height = self._input_px or (_TRIED_PX, _TRIED_PX)
        grey = np.full((height, width), _MEAN_LEVEL, np.uint8)
        try:
            found = self._fields(self._tensor(grey))
        except Exception as error:  # noqa: BLE001 - as above
            why = " ".join(str(error).split())[:500]
            msg = f"{self._where} fails on a picture of {width} x {height} px: {why}; {self._signature}"
            raise ProjectInvalid(msg) from None
        for name, values in found.items():
            is_map = name in {"anomaly_map", "pred_mask"}
            is_number = name in {"pred_score", "pred_label"}
            wrong_map = is_map and (values.ndim < 2 or values.size != values.shape[-1] * values.shape[-2])
            if wrong_map or ((is_map or is_number) and not values.size) or (is_number and values.size != 1):
                shape = "x".join(map(str, values.shape))
                msg = f"{self._where}: its output {name} is {shape}, expected that of one picture: {self._signature}"
                raise ProjectInvalid(msg)


def _input_px(signature: Signature, where: str) -> tuple[int, int] | None:
    """Return width and height of its input, None for any; raises ProjectInvalid where it takes no picture."""
    inputs = signature.inputs
    info = inputs[0] if inputs else None
    others = {each.name for each in inputs[1:]}
    if (
        info is None
        or len(info.shape) != 4
        or info.type != "float32"
        or not 1 <= (info.shape[0] or 1) <= _MOST_AT_ONCE
        or info.shape[1] not in {None, 3}
        or not others <= set(_SENSITIVITIES)
    ):
        msg = f"{where} takes no picture as models of anomalib do (input, float32 1x3xHxW): {signature}"
        raise ProjectInvalid(msg)
    height, width = info.shape[2:]
    return None if height is None or width is None else (width, height)
