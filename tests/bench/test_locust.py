"""The cameras of bench/locustfile.py as their users run them: in processes of their own, on real servers."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.running import CHECKOUT, Server, serving, write_project

# found, not imported: locust replaces sockets and threads of the process that imports it
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("locust") is None,
    reason="locust is not installed: pip install -c constraints.txt -e '.[bench]'",
)

CODE = '[[flow]]\nmodule = "code"\nfile = "code/step.py"\n'
READ = """
import time
import numpy as np
def main(context):
    image = context["image"]
    context["mark"] = int(np.packbits(image[8, 8:264:16, 1] > 127).view(">u2")[0])
"""
SCENARIOS = {"raw BGR", "BayerRG8", "JPEG", "PNG", "shared memory", "image", "annotated", "heatmap"}
SMALL = ("--width-px", "320", "--height-px", "240")


def command(server: Server, *arguments: object) -> list[str]:
    told = ("-f", "bench/locustfile.py", "--headless", "-r", "100", "--host", server.url)
    return [sys.executable, "-m", "locust", *told, *map(str, arguments)]


def locust(server: Server, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(server, *arguments),
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def figures(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """What a run with --json says, by scenario."""
    return {entry["name"]: entry for entry in json.loads(done.stdout)}


def segments(pid: int) -> list[Path]:
    return list(Path("/dev/shm").glob(f"psm_{pid & 0xFFFF:04x}*"))


@pytest.fixture(scope="module")
def bench_server() -> Iterator[Server]:
    with serving(CHECKOUT / "bench" / "project") as running:
        yield running


@pytest.mark.long
def test_every_kind_of_camera_gets_its_own_answers(bench_server: Server) -> None:
    done = locust(bench_server, "-u", 14, "-t", "5s", "--json")
    assert done.returncode == 0, done.stderr
    found = figures(done)
    assert found.keys() == SCENARIOS
    for entry in found.values():
        assert entry["num_requests"] > 0
        assert entry["num_failures"] == 0


@pytest.mark.long
def test_cameras_of_other_sizes_can_be_chosen_by_name(bench_server: Server) -> None:
    done = locust(bench_server, "-u", 2, "-t", "2s", "--json", *SMALL, "BayerCamera", "AnnotatedCamera")
    assert done.returncode == 0, done.stderr
    found = figures(done)
    assert found.keys() == {"BayerRG8", "annotated"}
    assert min(entry["num_requests"] for entry in found.values()) > 0


@pytest.mark.long
def test_with_a_takt_no_camera_sends_more_than_is_due(bench_server: Server) -> None:
    takt_s = 0.1
    done = locust(bench_server, "-u", 2, "-t", "3s", "--takt-ms", 1e3 * takt_s, "--json", *SMALL, "RawCamera")
    assert done.returncode == 0, done.stderr
    entry = figures(done)["raw BGR"]
    assert sum(entry["response_times"].values()) == entry["num_requests"] > 0
    assert entry["num_requests"] <= 2 * ((entry["last_request_timestamp"] - entry["start_time"]) / takt_s + 1)


@pytest.mark.long
def test_with_a_takt_a_server_that_is_too_slow_cannot_hide_the_queue(tmp_path: Path) -> None:
    takt_ms, flow_ms = 20, 50
    project = write_project(tmp_path / "slow", CODE, step=f"{READ}    time.sleep({flow_ms / 1e3})\n")
    with serving(project) as server:
        done = locust(server, "-u", 1, "-t", "3s", "--takt-ms", takt_ms, "--json", *SMALL, "RawCamera")
    assert done.returncode == 0, done.stderr
    entry = figures(done)["raw BGR"]
    frames = entry["num_requests"]
    assert frames > 3
    # frame k cannot be answered before k + 1 flows are done, and was due after k takts
    assert entry["total_response_time"] >= sum((k + 1) * flow_ms - k * takt_ms for k in range(frames))


@pytest.mark.long
@pytest.mark.parametrize(
    ("step", "asked", "said"),
    [
        ("def main(context): pass\n", "RawCamera", r'not this frame\'s answer: "mark":100\d\d is not in its context'),
        (
            "def main(context): pass\n",
            "HeatmapCamera",
            r'not this frame\'s answer: "mark":100\d\d is not in its context',
        ),
        (f"{READ}    image[:16, :256] = 0\n", "ImageCamera", "not this frame's picture: it carries the mark 0"),
        (READ, "RawCamera --width-px 640 --height-px 600", "413: .*1152000"),
    ],
    ids=["no mark", "no mark beside a picture", "another picture", "too large"],
)
def test_wrong_answers_are_failures(tmp_path: Path, step: str, asked: str, said: str) -> None:
    project = write_project(tmp_path / "wrong", f"[server]\nmax_frame_mib = 1\n{CODE}", step=step)
    with serving(project) as server:
        done = locust(server, "-u", 1, "-t", "2s", "--only-summary", *SMALL, *asked.split())
    assert done.returncode == 1, done.stderr
    assert re.search(said, done.stderr)
    sums = re.search(r"Aggregated +(\d+) +(\d+)\(", done.stderr)
    assert sums is not None
    frames, failures = map(int, sums.groups())
    # of pictures every 50th is looked at, the first too
    assert failures == (-(-frames // 50) if "picture" in said else frames) > 0


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_its_segments_are_gone_when_it_is_stopped(bench_server: Server, number: int) -> None:
    process = subprocess.Popen(
        command(bench_server, "-u", 2, *SMALL, "SharedMemoryCamera"),
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # a shell that runs the tests in the background has SIGINT ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - it takes no lock
    )
    assert process.stdout is not None
    with process:
        try:
            while "shared memory" not in (line := process.stdout.readline()):
                assert line
            assert len(segments(process.pid)) == 8
            process.send_signal(number)
            said = process.communicate()[0]
        finally:
            process.kill()
    assert process.returncode == 0, said
    assert segments(process.pid) == []
