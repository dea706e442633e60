"""A frame prints a gigabyte: it is answered by its deadline, the log stays small, and no other frame waits for it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.clients.bystanders import good_cameras
from tests.support.faults import children_of, command_of, post, whole
from tests.support.running import Server, serving, write_project

_GIGABYTE = 10**9
_PIECE = 10**6
_KEPT_PER_S = 64 * 1024  # of each worker; see workers/containment/log.py
_DEADLINE_S = 30.0

SPEAK = """
import ctypes, os, sys

PIECE = b"x" * 999_999 + b"\\n"

def main(context):
    how, _, times = context["data"].partition(":")
    if how == "at-once":
        print("x" * (int(times) * 1_000_000))
        times = 0
    for _ in range(int(times or 0)):
        if how == "context":
            print("x" * 999_999)
        elif how == "stream":
            print("x" * 999_999, file=sys.__stdout__)
        elif how == "descriptor":
            try:
                os.write(1, PIECE)
            except BlockingIOError:
                pass
        elif how == "c":
            ctypes.CDLL(None).puts(PIECE)
    context["pid"] = os.getpid()
    context["seen"] = {"data": context["data"]}
"""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


def _workers(server: Server) -> set[int]:
    return {child for child in children_of(server.process.pid) if "service.server.front" not in command_of(child)}


@pytest.mark.parametrize("how", ["at-once", "context", "stream", "descriptor", "c"])
def test_a_gigabyte_in_one_frame_costs_nobody_anything(tmp_path: Path, how: str) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/speak.py"\n', speak=SPEAK)
    env = {"FRAMEMILL_DEADLINE_MS": str(int(_DEADLINE_S * 1e3))}
    with serving(project, "--workers", "2", env=env) as server:
        workers = _workers(server)
        with good_cameras(server) as usual:
            time_of_calm_s = time.monotonic() + 5.0
            while time.monotonic() < time_of_calm_s:
                post(server, "")
        with good_cameras(server) as seen:
            begun_s, before = time.monotonic(), len(server.log)
            answer = post(server, f"{how}:{_GIGABYTE // _PIECE}")
            took_s = time.monotonic() - begun_s
        assert (answer.status_code, answer.json()["errors"]) == (200, [])
        kept_bytes = sum(map(len, server.log[before:]))
        print(
            f"{how}: {took_s:.2f} s, {kept_bytes} bytes in the log, "
            f"p99 of the others {1e3 * seen.late_s():.0f} ms, {1e3 * usual.late_s():.0f} before"
        )
        assert took_s < _DEADLINE_S / 2
        assert kept_bytes <= len(workers) * _KEPT_PER_S * (took_s + 2)
        assert not seen.failures
        assert seen.late_s() <= max(2 * usual.late_s(), usual.late_s() + 0.05)
        assert _workers(server) == workers
        assert whole(server)
