"""What a user would pick instead: each peer in its own virtual environment, as bench/peers/<file> describes it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
import numpy as np

from bench.frames import marked
from bench.server import ALLOCATOR, Measured
from service.trial.step import stat_fields

_FOLDER = Path(__file__).parent / "peers"
_FILES = {
    "Falcon on gunicorn": "falcon_gunicorn",
    "FastAPI on uvicorn": "fastapi_uvicorn",
    "mosec": "mosec_server",
    "LitServe": "litserve_server",
    "BentoML": "bentoml_server",
    "gunicorn's dirty workers": "gunicorn_dirty",
    "Ray Serve": "ray_serve",
}
PEERS = tuple(_FILES)
_BLOCK = re.compile(r"(?m)^# /// script\n((?:#(?: .*)?\n)+?)# ///$")  # PEP 723
_START_S = 60
_STOP_S = 15
_POLL_S = 0.05
_TAIL_CHARACTERS = 2_000
_SMALL_MARK = 10_000


class PeerUnavailable(Exception):
    """This peer cannot be measured here; the message says why."""


def runs_models(name: str) -> bool:
    """Say whether the peer has onnxruntime: those that are made for models have."""
    return any(line.startswith("onnxruntime==") for line in dependencies(name))


def dependencies(name: str) -> list[str]:
    """Return what the peer's file says it needs, as `package==version`.

    Raises:
        PeerUnavailable: the file has no such block.
    """
    found = _BLOCK.search((_FOLDER / f"{_FILES[name]}.py").read_text())
    if found is None:
        raise PeerUnavailable(f"{name}: its file does not say what it needs")
    block = tomllib.loads(re.sub(r"(?m)^# ?", "", found.group(1)))
    return [str(line) for line in block["dependencies"]]


def install(name: str) -> None:
    """Make the peer's virtual environment, where that has not been done for the same dependencies.

    Raises:
        PeerUnavailable: they cannot be installed here, with the end of what pip said.
    """
    needed = dependencies(name)
    folder = _FOLDER / ".venvs" / _FILES[name]
    stamp = folder / "installed.json"
    if stamp.exists() and json.loads(stamp.read_text()) == needed:
        return
    print(f"installing {name} ({', '.join(needed[:2])}, ...)", flush=True)
    pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    for command in ((sys.executable, "-m", "venv", "--clear", str(folder)), (*pip, *needed)):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerUnavailable(f"{name} could not be installed: {done.stderr[-_TAIL_CHARACTERS:]}")
    stamp.write_text(json.dumps(needed))


def versions(name: str) -> dict[str, str]:
    """Return the installed version of each package that the peer's file names, by package.

    Raises:
        PeerUnavailable: the peer is not installed.
    """
    packages = [re.split(r"[\[=]", line)[0] for line in dependencies(name)]
    ask = "import importlib.metadata as m, json, sys; print(json.dumps({p: m.version(p) for p in sys.argv[1:]}))"
    try:
        done = subprocess.run((_python(name), "-c", ask, *packages), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise PeerUnavailable(f"{name} is not installed") from error
    found: dict[str, str] = json.loads(done.stdout)
    return found


@contextmanager
def running_peer(
    name: str, workers: int, width_px: int, height_px: int, env: Mapping[str, str] | None = None
) -> Iterator[Measured]:
    """Start a peer that is installed, for frames of this size, and wait until it has inspected a small one.

    Raises:
        PeerUnavailable: it did not answer within a minute, with the end of what it printed.
    """
    with tempfile.TemporaryDirectory(prefix="peer", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        size = {"BENCH_WIDTH_PX": str(width_px), "BENCH_HEIGHT_PX": str(height_px)}
        server = _start(name, workers, {**size, **(env or {})}, log)
        try:
            server.ready_s = _wait_until_answered(name, server, log)
            yield server
        finally:
            _stop(server)


def _python(name: str) -> str:
    return str(_FOLDER / ".venvs" / _FILES[name] / "bin" / "python")


def _start(name: str, workers: int, told: Mapping[str, str], log: Path) -> Measured:
    python = _python(name)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    mark = uuid.uuid4().hex
    path = f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    own = {"FRAMEMILL_BENCH": mark, "PATH": path, "TMPDIR": str(log.parent)}
    environment = {**os.environ, **told, **ALLOCATOR, **own}
    with log.open("w") as output:
        try:
            process = subprocess.Popen(
                (python, f"{_FILES[name]}.py", str(port), str(workers)), cwd=_FOLDER, env=environment, text=True,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise PeerUnavailable(f"{name} is not installed") from error
    return Measured(process, port, 0.0, f"FRAMEMILL_BENCH={mark}")


def _wait_until_answered(name: str, server: Measured, log: Path) -> float:
    """Return how long that took, in seconds."""
    frame = marked(np.zeros((32, 272, 3), np.uint8), _SMALL_MARK)
    body = cv2.imencode(".png", frame)[1].tobytes()
    begun_s = time.monotonic()
    while (took_s := time.monotonic() - begun_s) < _START_S and server.process.poll() is None:
        try:
            answer = httpx.post(f"http://127.0.0.1:{server.port}/analyze_image", content=body, timeout=5)
        except httpx.TransportError:
            time.sleep(_POLL_S)
            continue
        if answer.status_code == 200 and answer.json()["mark"] == _SMALL_MARK:
            return took_s
        time.sleep(_POLL_S)
    raise PeerUnavailable(f"{name} did not answer within {took_s:.0f} s: {log.read_text()[-_TAIL_CHARACTERS:]}")


def _stop(server: Measured) -> None:
    """Ask the first process to end, then end everything of it that is left."""
    started = {pid: _begun(pid) for pid in server.pids()}
    server.process.send_signal(signal.SIGTERM)
    until_s = time.monotonic() + _STOP_S
    while time.monotonic() < until_s and _left(server, started):
        time.sleep(_POLL_S)
    for pid in _left(server, started):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    server.process.wait()


def _left(server: Measured, started: dict[int, str]) -> list[int]:
    server.process.poll()
    known = {pid: begun for pid, begun in started.items() if begun}
    known |= {pid: begun for pid in server.pids() if (begun := _begun(pid))}
    return [pid for pid, begun in known.items() if _begun(pid) == begun]


def _begun(pid: int) -> str:
    """Return when a process began, in ticks since the machine did; nothing of one that has ended."""
    fields = stat_fields(pid)
    return fields[19] if fields and fields[0] != "Z" else ""
