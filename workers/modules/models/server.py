"""Models that another server computes, asked by the KServe v2 protocol (Triton, OpenVINO, kserve), tensors in binary.

    POST /v2/models/NAME/infer              Inference-Header-Content-Length: 180
    {"inputs": [{"name": "images", "shape": [1, 3, 640, 640], "datatype": "FP32", ...}], ...} | bytes of the tensor

MLServer takes no binary tensors over HTTP: there they go as JSON. Each process has a connection of its own, which is
opened when it is needed. No call waits longer than its frame may.
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np
import orjson

from workers.errors import DeadlineExceeded, ModelFailed
from workers.modules.models.network import Output, Signature, TensorInfo
from workers.text import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx
    from numpy.typing import NDArray

    from workers.modules.models.options import ModelOptions

_HEADER = "Inference-Header-Content-Length"
_HARMLESS = re.compile(r"[!-~]{1,128}")  # code may have put anything there
_CONNECT_S = 1.0
_LONGEST_ANSWER_BYTES = 1 << 28
_TYPES = {
    "BOOL": "bool",
    **{f"{sign}INT{bits}": f"{sign.lower()}int{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
    **{f"FP{bits}": f"float{bits}" for bits in (16, 32, 64)},
}
_DATATYPES = {ours: theirs for theirs, ours in _TYPES.items()}


class RemoteNetwork:
    """A model at a server that speaks KServe v2."""

    def __init__(self, options: ModelOptions) -> None:
        assert options.server is not None
        assert options.model is not None
        self._address = options.server.rstrip("/")
        self._path = f"/v2/models/{quote(options.model)}"
        self._who = f"the server of {options.title}, {self._address},"
        self._as_json = options.tensors == "json"
        self._input = ""
        self._client: httpx.Client | None = None

    def signature(self, deadline_ns: int) -> Signature:
        """Ask what the model takes and gives."""
        told, _ = self._answer("GET", self._path, b"", {}, deadline_ns)
        try:
            inputs, outputs = ([_info(each) for each in told[key]] for key in ("inputs", "outputs"))
            self._input = inputs[0].name
        except (KeyError, TypeError, ValueError, IndexError):
            msg = f"{self._who} does not say what the model takes and gives: {shown(told)}"
            raise ModelFailed(msg) from None
        return Signature(inputs, outputs, {})

    def run(self, tensor: NDArray[Any], deadline_ns: int, frame: Mapping[str, Any] | None = None) -> list[Output]:
        """Return all outputs for the one input, (1, 3, h, w) or as the model takes it; `frame` says for which."""
        body, headers = self._question(tensor, max(1, (deadline_ns - time.monotonic_ns()) // 1000))
        headers.update(_asked_for(frame or {}))
        told, rest = self._answer("POST", f"{self._path}/infer", body, headers, deadline_ns)
        try:
            return _outputs(told, rest)
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{self._who} gave an answer that cannot be read: {type(error).__name__}: {error}"
            raise ModelFailed(msg) from None

    def _question(self, tensor: NDArray[Any], left_us: int) -> tuple[bytes, dict[str, str]]:
        """Return the body of a request and its headers."""
        asked: dict[str, Any] = {"name": self._input, "shape": tensor.shape, "datatype": _DATATYPES[str(tensor.dtype)]}
        if self._as_json:
            whole = {"inputs": [{**asked, "data": tensor.ravel()}], "parameters": {"timeout": left_us}}
            return orjson.dumps(whole, option=orjson.OPT_SERIALIZE_NUMPY), {"Content-Type": "application/json"}
        asked["parameters"] = {"binary_data_size": tensor.nbytes}
        head = orjson.dumps({"inputs": [asked], "parameters": {"binary_data_output": True, "timeout": left_us}})
        headers = {_HEADER: str(len(head)), "Content-Type": "application/octet-stream"}
        return head + tensor.tobytes(), headers

    def release(self) -> None:
        """Close the connection, which no other process may share; the next call opens one."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _answer(
        self, method: str, path: str, body: bytes, headers: dict[str, str], deadline_ns: int
    ) -> tuple[Any, memoryview]:
        """Return the JSON of an answer and the bytes behind it.

        Raises:
            DeadlineExceeded: the frame's time was over first.
            ModelFailed: the server is not there, or says that it cannot.
        """
        import httpx  # noqa: PLC0415 - takes 100 ms, and few need it

        kept = self._client is not None
        while True:
            try:
                status, length, content = self._exchange(method, path, body, headers, deadline_ns)
                break
            except httpx.TransportError as error:
                self.release()
                if time.monotonic_ns() >= deadline_ns:
                    msg = f"the frame's time (run_ms, or its deadline) was over before {self._who} had answered"
                    raise DeadlineExceeded(msg) from None
                if not kept or isinstance(error, httpx.TimeoutException):
                    msg = f"{self._who} cannot be asked: {type(error).__name__}: {error}"
                    raise ModelFailed(msg) from None
                kept = False  # it has closed a connection that was kept from frames before: once more with a new one
        if status != httpx.codes.OK:
            told = bytes(content[:300]).decode(errors="replace")
            is_binary = method == "POST" and not self._as_json
            hint = ' (tensors = "json" is for one that takes no binary ones)' if is_binary else ""
            msg = f"{self._who} answered {status}: {shown(told)}{hint}"
            raise ModelFailed(msg)
        try:
            end = int(length) if length else len(content)
            return json.loads(bytes(content[:end])), content[end:]
        except ValueError as error:
            msg = f"{self._who} gave an answer that is no JSON: {error}"
            raise ModelFailed(msg) from None

    def _exchange(
        self, method: str, path: str, body: bytes, headers: dict[str, str], deadline_ns: int
    ) -> tuple[int, str, memoryview]:
        """Send a request and return status, length of the JSON, and content; raises httpx.TransportError."""
        import httpx  # noqa: PLC0415

        if self._client is None:
            self._client = httpx.Client(trust_env=False, headers={"Accept-Encoding": "identity"})
        left_s = max((deadline_ns - time.monotonic_ns()) / 1e9, 0.001)
        timeout = httpx.Timeout(left_s, connect=min(left_s, _CONNECT_S))
        content = bytearray()
        with self._client.stream(
            method, self._address + path, content=body or None, headers=headers, timeout=timeout
        ) as answer:
            for part in answer.iter_raw():
                content += part
                if time.monotonic_ns() >= deadline_ns:
                    raise httpx.ReadTimeout("the time was over")
                if len(content) > _LONGEST_ANSWER_BYTES:
                    msg = f"{self._who} gave more than {_LONGEST_ANSWER_BYTES:,} bytes"
                    raise ModelFailed(msg)
            return answer.status_code, answer.headers.get(_HEADER, ""), memoryview(content)


def _asked_for(frame: Mapping[str, Any]) -> dict[str, str]:
    """Return headers that say on behalf of which request we ask, so that both servers' logs and traces meet."""
    told = {"X-Request-Id": frame.get("requestId"), "traceparent": frame.get("traceparent")}
    return {name: value for name, value in told.items() if isinstance(value, str) and _HARMLESS.fullmatch(value)}


def _info(told: Any) -> TensorInfo:
    shape = tuple(int(side) if int(side) > 0 else None for side in told["shape"])
    datatype = str(told["datatype"])
    return TensorInfo(str(told["name"]), _TYPES.get(datatype, datatype), shape)


def _outputs(told: Any, rest: memoryview) -> list[Output]:
    """Return the outputs of an answer; raises KeyError, TypeError or ValueError where it is not as it should be."""
    found, at = [], 0
    for each in told["outputs"]:
        kind, shape = np.dtype(_TYPES[each["datatype"]]), [int(side) for side in each["shape"]]
        size = (each.get("parameters") or {}).get("binary_data_size")  # kserve says null where there are none
        if size is None:
            values = np.array(each["data"], kind)
        else:
            values = np.frombuffer(rest[at : at + size], kind)
            at += size
        found.append(Output(str(each["name"]), values.reshape(shape)))
    return found
