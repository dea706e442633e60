"""Whoever is slow on the way in, by the hundred, from one address: good cameras of others do not notice."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.clients.bystanders import Seen, good_cameras
from tests.clients.front_costs import front_bytes, front_cpu_s
from tests.clients.raw_http import Connection, frame_request
from tests.clients.tls import tls_serving
from tests.conftest import MARK
from tests.soak.kit.report import report
from tests.support.running import Server, serving, write_project

pytestmark = [pytest.mark.soak, pytest.mark.timeout(300)]

CALM_S, ATTACK_S = 8.0, 30.0
MOST_TIMES_IDLE, BUDGET_BYTES = 1.5, 256 << 20
FLOW = '[[flow]]\nmodule = "code"\nfile = "code/mark.py"\n'


@contextmanager
def _crowd(server: Server, certificate: str, kinds: Sequence[object], seconds: float) -> Iterator[list[float]]:
    """Such a crowd until the end of the block; then its processor time, and how often it came."""
    command = [sys.executable, "-m", "tests.clients.slow_crowd", str(server.port), str(seconds), certificate]
    found: list[float] = []
    with subprocess.Popen([*command, *map(str, kinds)], stdout=subprocess.PIPE, text=True) as attacker:
        assert attacker.stdout is not None
        assert attacker.stdout.readline() == "there\n"
        yield found
        found += map(float, attacker.stdout.readline().split())


def _figures(seen: Seen, calm: Seen) -> dict[str, Any]:
    return {
        "frames": len(seen.times_s),
        "failures": len(seen.failures),
        "p99_ms": round(1e3 * seen.late_s(), 1),
        "p99_calm_ms": round(1e3 * calm.late_s(), 1),
    }


def _judge(scenario: str, figures: dict[str, Any], broken: dict[str, bool]) -> None:
    said = [what for what, is_broken in broken.items() if is_broken]
    report(scenario, figures, said)
    assert not said, figures


def _not_held_up(seen: Seen, calm: Seen) -> dict[str, bool]:
    late = seen.late_s() > max(2 * calm.late_s(), calm.late_s() + 0.050)
    return {
        "a good frame failed": bool(seen.failures),
        "good frames came late": late,
        "too few": len(seen.times_s) < 99,
    }


@pytest.mark.parametrize(
    ("way", "kinds"),
    [
        ("tls", ("silence", 200, "hello", 200, "head", 150, "body", 150, "chunk", 100, "form", 100, "switch", 100)),
        ("tls", ("body", 16)),
        ("tls", ("hello", 200)),
        ("plain", ("silence", 150, "head", 250, "body", 200, "chunk", 200, "form", 100, "switch", 100)),
        ("plain", ("chunk", 16)),
        ("plain", ("head", 200)),
    ],
    ids=["tls-1000", "tls-16-bodies", "tls-200-hellos", "plain-1000", "plain-16-chunked", "plain-200-dripped-heads"],
)
def test_a_crowd_that_never_ends_what_it_begins(tmp_path: Path, way: str, kinds: tuple[object, ...]) -> None:
    project = write_project(tmp_path / "p", FLOW, mark=MARK)
    if way == "tls":
        with tls_serving(project, "--fronts", "1") as running:
            _beside(running.server, str(running.certificate), kinds, running.context())
    else:
        with serving(project, "--fronts", "1") as server:
            _beside(server, "plain", kinds, None)


def _beside(server: Server, certificate: str, kinds: tuple[object, ...], context: Any) -> None:
    with good_cameras(server, context=context) as calm:
        time.sleep(CALM_S)
    cpu_s, idle = front_cpu_s(server), front_bytes(server)
    with _crowd(server, certificate, kinds, ATTACK_S + 5) as crowd:
        cpu_s = front_cpu_s(server)
        with good_cameras(server, context=context) as seen:
            time.sleep(ATTACK_S)
        cpu_s, most = front_cpu_s(server) - cpu_s, front_bytes(server)
    figures = {
        **_figures(seen, calm),
        "front_cores": round(cpu_s / ATTACK_S, 2),
        "attacker_cores": round(crowd[0] / ATTACK_S, 2),
        "came": int(crowd[1]),
        "idle_mib": idle >> 20,
        "front_mib": most >> 20,
    }
    broken = _not_held_up(seen, calm)
    # cameras take some of it too: 0.1 of a core
    broken["the front does far more than who attacks"] = cpu_s > 10 * crowd[0] + 0.1 * ATTACK_S
    broken["the front holds more than its budget"] = most > MOST_TIMES_IDLE * idle + BUDGET_BYTES
    _judge(f"a crowd that never ends: {certificate.rpartition('/')[2]}, {kinds}", figures, broken)


def _rounds(server: Server, watch: Callable[[], None]) -> None:
    """60 connections leave 23.9 of 24 MiB each, are closed, and come again."""
    for _ in range(6):
        with _crowd(server, "plain", ("much", 60), 3.0):
            end_s = time.monotonic() + 3.0
            while time.monotonic() < end_s:
                watch()
                time.sleep(0.05)


def test_bodies_left_with_a_front_have_a_budget_and_their_memory_returns(tmp_path: Path) -> None:
    with serving(write_project(tmp_path / "p", FLOW, mark=MARK), "--fronts", "1") as server:
        with good_cameras(server) as calm:
            time.sleep(CALM_S)
        idle, seen_bytes = front_bytes(server), [0]
        with good_cameras(server) as seen:
            _rounds(server, lambda: seen_bytes.append(front_bytes(server)))
        time.sleep(3)  # the last of them are seen off
        after = front_bytes(server)
        figures = {**_figures(seen, calm), "idle_mib": idle >> 20, "most_mib": max(seen_bytes) >> 20,
                   "after_mib": after >> 20}  # fmt: skip
        broken = {
            "a good frame failed": bool(seen.failures),
            "the front holds more than its budget": max(seen_bytes) > MOST_TIMES_IDLE * idle + BUDGET_BYTES,
            "memory did not return": after > 1.2 * idle,
        }
        _judge("60 bodies of 24 MiB that never end, in rounds", figures, broken)


def test_slow_cameras_are_inspected_while_one_address_leaves_all_it_can(tmp_path: Path) -> None:
    statuses: dict[int, int] = {}
    request = frame_request("slow", bytes(65_535))
    project = write_project(tmp_path / "p", FLOW, mark=MARK)
    with serving(project, "--fronts", "1") as server, _crowd(server, "plain", ("much", 12), ATTACK_S):
        end_s = time.monotonic() + ATTACK_S - 2
        while time.monotonic() < end_s:
            with Connection(server.port) as camera:
                for at in range(0, len(request), 8192):
                    camera.send(request[at : at + 8192])
                    time.sleep(0.08)
                answer = camera.answer()
                status = answer.status if answer is not None else 0
                statuses[status] = statuses.get(status, 0) + 1
    _judge("12 bodies that never end beside a slow camera", {"statuses": statuses}, {"refused": set(statuses) != {200}})


def test_certificates_cost_a_connection_nothing(tmp_path: Path) -> None:
    """100 connections a second that say one byte, beside TLS cameras, with a bundle of authorities set."""
    bundle = next((path for path in map(Path, ("/etc/ssl/certs/ca-certificates.crt",)) if path.exists()), None)
    if bundle is None:
        pytest.skip("no bundle of authorities is on this machine")
    (tmp_path / "papers").mkdir()
    authorities = tmp_path / "authorities.pem"
    project = write_project(tmp_path / "p", FLOW, mark=MARK)
    authorities.write_text(bundle.read_text())
    with tls_serving(project, "--fronts", "1", env={"FRAMEMILL_CLIENT_CA_FILE": str(authorities)}) as running:
        server, came = running.server, 0
        cpu_s, end_s = front_cpu_s(server), time.monotonic() + 20
        while time.monotonic() < end_s:
            with socket.create_connection(("127.0.0.1", server.port), 10, ("127.0.0.2", 0)) as client:
                client.sendall(b"\x16")
            came += 1
            time.sleep(0.01)
        each_ms = 1e3 * (front_cpu_s(server) - cpu_s) / came
    _judge("one byte of a handshake, with a bundle", {"came": came, "cpu_ms": round(each_ms, 2)}, {"ms": each_ms > 2})
