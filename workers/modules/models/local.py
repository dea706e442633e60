"""Models that are computed in this process, by onnxruntime.

A session is made where the project is loaded, in the process that workers are forks of, and they share it: its weights
are in memory once. So it has no thread of its own. Weights in a file beside the model (external data) are mapped.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workers.errors import ProjectInvalid
from workers.modules.models.network import Output, Signature, TensorInfo
from workers.modules.project_files import meant
from workers.settings import CPU

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TYPES = {"float": "float32", "double": "float64"}  # onnx's names, where numpy has another
_ERRORS_ONLY = 3


class Sessions:
    """The sessions of one project: modules that name the same file share one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[tuple[str, str], LocalNetwork] = {}

    def of(self, file: str, provider: str = CPU) -> LocalNetwork:
        """Return the network of a model, a file of the project; raises ProjectInvalid."""
        key = file, provider
        if key not in self._made:
            self._made[key] = LocalNetwork(self._folder / file, file, provider)
        return self._made[key]


class LocalNetwork:
    """A model in a session of onnxruntime, with one thread."""

    def __init__(self, path: Path, name: str, provider: str = CPU) -> None:
        """Load it; messages call it `name`. Raises ProjectInvalid where it cannot be loaded."""
        self._session = _session(path, name, provider)
        self._input = self._session.get_inputs()[0].name if self._session.get_inputs() else ""
        self._names = [each.name for each in self._session.get_outputs()]

    def signature(self, deadline_ns: int) -> Signature:  # noqa: ARG002 - it is known
        """Say what it takes and gives."""
        session = self._session
        inputs = [_info(each) for each in session.get_inputs()]
        outputs = [_info(each) for each in session.get_outputs()]
        return Signature(inputs, outputs, dict(session.get_modelmeta().custom_metadata_map))

    def run(
        self,
        tensor: NDArray[Any],
        deadline_ns: int,  # noqa: ARG002 - nobody could break it off
        frame: Mapping[str, Any] | None = None,  # noqa: ARG002 - nobody else is asked
        beside: Mapping[str, NDArray[Any]] | None = None,
    ) -> list[Output]:
        """Return all outputs for the picture, (1, 3, h, w) or as the model takes it, and other inputs `beside` it."""
        found = self._session.run(self._names, {self._input: tensor, **(beside or {})})
        return [Output(name, values) for name, values in zip(self._names, found, strict=True)]

    def release(self) -> None:
        """Forks share all of it."""


def _session(path: Path, name: str, provider: str) -> Any:
    # where nobody has set it yet: else the import starts a thread that would speak to its maker
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # type: ignore[import-untyped]  # noqa: PLC0415 - takes 100 ms, and an extra has it

    available = onnxruntime.get_available_providers()
    if provider not in available:
        close = meant(provider, available)
        msg = f"provider (or the setting model_provider): there is no {provider} here; onnxruntime has"
        raise ProjectInvalid(f"{msg} {', '.join(available)}{close}")
    wanted = onnxruntime.SessionOptions()
    wanted.intra_op_num_threads = wanted.inter_op_num_threads = 1
    wanted.add_session_config_entry("session.intra_op.allow_spinning", "0")
    wanted.add_session_config_entry("session.inter_op.allow_spinning", "0")
    wanted.log_severity_level = _ERRORS_ONLY
    providers = [provider, *([CPU] if provider != CPU else [])]
    try:
        return onnxruntime.InferenceSession(str(path), wanted, providers=providers)
    except Exception as error:  # noqa: BLE001 - it has a class for each status, and no common one
        why = " ".join(str(error).split()).replace(f"{path.parent}/", "") or type(error).__name__
        msg = f"file: {name} cannot be loaded by onnxruntime {onnxruntime.__version__}: {why[:500]}"
        raise ProjectInvalid(msg) from None


def _info(node: Any) -> TensorInfo:
    name = str(node.type).removeprefix("tensor(").removesuffix(")")
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in node.shape or ())
    return TensorInfo(node.name, _TYPES.get(name, name), shape)
