"""Serves a model in ONNX by the package kserve, under the name `colours`: python -P kserve_server.py PORT MODEL."""

from __future__ import annotations

import sys
from typing import Any

import kserve  # type: ignore[import-not-found]
import onnxruntime  # type: ignore[import-untyped]


class Onnx(kserve.Model):  # type: ignore[misc]  # its base is in another environment
    """The model."""

    def __init__(self, file: str) -> None:
        super().__init__("colours")
        self._session = onnxruntime.InferenceSession(file)
        self.ready = True

    async def get_input_types(self) -> list[dict[str, Any]]:
        """Say what it takes."""
        return [_told(each) for each in self._session.get_inputs()]

    async def get_output_types(self) -> list[dict[str, Any]]:
        """Say what it gives."""
        return [_told(each) for each in self._session.get_outputs()]

    def predict(self, payload: Any, *_: object, **__: object) -> Any:
        """Run it."""
        found = self._session.run(None, {each.name: each.as_numpy() for each in payload.inputs})
        outputs = []
        for told, values in zip(self._session.get_outputs(), found, strict=True):
            outputs.append(kserve.InferOutput(told.name, list(values.shape), "FP32"))
            outputs[-1].set_data_from_numpy(values, binary_data=True)
        return kserve.InferResponse(payload.id or "1", self.name, outputs)


def _told(tensor: Any) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": "FP32", "shape": list(tensor.shape)}


if __name__ == "__main__":
    port, model = sys.argv[1:]
    kserve.ModelServer(http_port=int(port), enable_grpc=False, workers=1).start([Onnx(model)])
