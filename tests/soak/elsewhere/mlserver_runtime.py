"""A model in ONNX as MLServer runs it: its model-settings.json names this class, and MODEL the file."""

from __future__ import annotations

import os
from typing import Any

import onnxruntime  # type: ignore[import-untyped]
from mlserver import MLModel  # type: ignore[import-not-found]
from mlserver.codecs import NumpyCodec  # type: ignore[import-not-found]
from mlserver.types import InferenceResponse  # type: ignore[import-not-found]


class Onnx(MLModel):  # type: ignore[misc]  # its base is in another environment
    """The model."""

    async def load(self) -> bool:
        """Load it."""
        self._session = onnxruntime.InferenceSession(os.environ["MODEL"])
        return True

    async def predict(self, payload: Any) -> Any:
        """Run it."""
        given = {each.name: NumpyCodec.decode_input(each) for each in payload.inputs}
        names = [each.name for each in self._session.get_outputs()]
        found = zip(names, self._session.run(None, given), strict=True)
        outputs = [NumpyCodec.encode_output(name, each) for name, each in found]
        return InferenceResponse(model_name=self.name, outputs=outputs)
