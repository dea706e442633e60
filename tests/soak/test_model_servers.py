"""Real servers of models that speak KServe v2, asked by our modules: MLServer and the package kserve.

Each is in an environment of its own, which is named by a variable; without, it is left out:

    python -m venv ENV && ENV/bin/pip install kserve onnxruntime        (or mlserver instead of kserve)
    FRAMEMILL_KSERVE=ENV/bin/python FRAMEMILL_MLSERVER=... .venv/bin/pytest -m soak tests/soak/test_model_servers.py
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from bench import tiny_models
from tests.modules.squares import looked, prepared
from tests.support.projects import inspect
from tests.support.running import CHECKOUT

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

_ELSEWHERE = CHECKOUT / "tests" / "soak" / "elsewhere"
_RED = np.full((20, 30, 3), (10, 20, 204), np.uint8)
_NAMES = 'labels = ["red", "green", "blue"]\n'
_START_S = 120


def _python(variable: str) -> Path:
    if variable not in os.environ:
        pytest.skip(f"{variable} names no Python with that server: see the head of this file")
    return Path(os.environ[variable]).absolute()


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in taken]
    for each in taken:
        each.close()
    return ports


@contextmanager
def _served(command: list[str], port: int, folder: Path, **env: str) -> Iterator[str]:
    """Run a server until the end of the block; yields its address once it knows the model."""
    address = f"http://127.0.0.1:{port}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=os.environ | env, stdout=log, stderr=log)
        try:
            until_s = time.monotonic() + _START_S
            while not _is_ready(address):
                assert process.poll() is None, (folder / "log").read_text()[-2000:]
                assert time.monotonic() < until_s, (folder / "log").read_text()[-2000:]
            yield address
        finally:
            process.terminate()
            process.wait()


def _is_ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/v2/models/colours/ready", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_kserve_takes_and_gives_binary_tensors(tmp_path: Path) -> None:
    python, (port,) = _python("FRAMEMILL_KSERVE"), _free_ports(1)
    model = tiny_models.classifier(tmp_path / "model.onnx")
    here = looked(prepared(tmp_path, "classifier", _NAMES), _RED)
    command = [str(python), "-P", str(_ELSEWHERE / "kserve_server.py"), str(port), str(model)]
    with _served(command, port, tmp_path) as address:
        for tensors in ("binary", "json"):
            asked = f'server = "{address}"\nmodel = "colours"\ntensors = "{tensors}"\n'
            flow = prepared(tmp_path, "classifier", _NAMES + asked)
            assert looked(flow, _RED)["classes"] == here["classes"]
            flow.stop()


def test_mlserver_is_asked_in_json(tmp_path: Path) -> None:
    python, ports = _python("FRAMEMILL_MLSERVER"), _free_ports(3)
    model = tiny_models.classifier(tmp_path / "model.onnx")
    here = looked(prepared(tmp_path, "classifier", _NAMES), _RED)
    served = tmp_path / "served"
    served.mkdir()
    tensors = ({"name": "images", "shape": [1, 3, 64, 64]}, {"name": "logits", "shape": [1, 3]})
    inputs, outputs = ([{**each, "datatype": "FP32"}] for each in tensors)
    told = {"name": "colours", "implementation": "mlserver_runtime.Onnx", "inputs": inputs, "outputs": outputs}
    (served / "model-settings.json").write_text(json.dumps(told))
    of_server = dict(zip(("http_port", "grpc_port", "metrics_port"), ports, strict=True))
    (served / "settings.json").write_text(json.dumps({"host": "127.0.0.1", "parallel_workers": 0, **of_server}))
    (served / "mlserver_runtime.py").write_text((_ELSEWHERE / "mlserver_runtime.py").read_text())
    command = [str(python.with_name("mlserver")), "start", "."]
    with _served(command, ports[0], served, MODEL=str(model), PYTHONPATH=str(served)) as address:
        asked = f'server = "{address}"\nmodel = "colours"\n'
        flow = prepared(tmp_path, "classifier", _NAMES + asked + 'tensors = "json"\n')
        assert looked(flow, _RED)["classes"] == here["classes"]
        flow.stop()
        flow = prepared(tmp_path, "classifier", _NAMES + asked)
        (error,) = inspect(flow, _RED).context["errors"]
        assert 'tensors = "json" is for one that takes no binary ones' in error["message"]
        flow.stop()
