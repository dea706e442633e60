"""What a worker has for itself: its number, its folder, its share of the cores, and memory from its first frame on."""

from __future__ import annotations

import mmap
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.faults import children_of, post, until
from tests.support.pictures import png
from tests.support.running import CHECKOUT, serving, write_project
from workers.containment.limits import Growth
from workers.programs.trying import TriedProject
from workers.settings import MIB, PoolSettings
from workers.told.thread_watch import ThreadWatch

pytestmark = pytest.mark.long

FLOW = '[[flow]]\nmodule = "code"\nfile = "code/look.py"\n'
NUMBER = """
import os, time

def main(context):
    if context["data"]:
        time.sleep(0.05)
    context.update(number=context["worker"], variable=os.environ["FRAMEMILL_WORKER"], pid=os.getpid())
"""


@pytest.mark.parametrize("fork", ["true", "false"])
def test_a_workers_number_is_its_own_in_the_environment_and_the_context(tmp_path: Path, fork: str) -> None:
    project = write_project(tmp_path / "p", f"fork = {fork}\n{FLOW}", look=NUMBER)
    with serving(project) as server:
        numbers: dict[int, set[int]] = {}

        def both() -> bool:
            with ThreadPoolExecutor(2) as cameras:
                for answer in cameras.map(lambda _: post(server, "wait").json(), range(4)):
                    assert "worker" not in answer
                    assert answer["variable"] == str(answer["number"])
                    numbers.setdefault(answer["pid"], set()).add(answer["number"])
            return len(numbers) == 2

        until(both)
        one, other = numbers.values()
        assert (len(one), len(other)) == (1, 1)
        assert one.isdisjoint(other)
        assert all(0 <= number < 2 * 2 + 2 for number in one | other)


NOTES_ITS_NUMBER = """
import os, pathlib

def main(context):
    numbers = f"{context['worker']} {os.environ['FRAMEMILL_WORKER']}"
    pathlib.Path(context["dataFolder"], "numbers").write_text(numbers)
    context["result"] = True
"""
PROOF = '[[proof]]\nframe = "good.png"\nresult = true\n'


@pytest.mark.parametrize("fork", ["true", "false"])
def test_a_proof_has_a_number_that_no_worker_has(tmp_path: Path, fork: str) -> None:
    project = write_project(tmp_path / "p", f"fork = {fork}\n{FLOW}{PROOF}", look=NOTES_ITS_NUMBER)
    (project / "good.png").write_bytes(png(np.zeros((8, 8), np.uint8)))
    with serving(project) as server:
        until(lambda: any("the proof of version" in said and "holds" in said for said in server.log))
    assert (project / "data" / "numbers").read_text() == "6 6"  # workers have 0 to 5


WRITES = """
import pathlib

def main(context):
    with open("rows.txt", "a") as rows:
        rows.write(context["data"] + "\\n")
    context["read"] = pathlib.Path("limits.txt").read_text() if pathlib.Path("limits.txt").exists() else ""
"""


def rows(project: Path) -> str:
    return (project / "data" / "rows.txt").read_text()


def test_relative_names_lead_into_the_data_folder_wherever_it_is_run(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, look=WRITES)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    picture = elsewhere / "part.png"
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    with serving(project) as server:
        assert post(server, "served").json()["errors"] == []
        (project / "data" / "limits.txt").write_text("12")
        assert post(server, "again").json()["read"] == "12"
    for command in (["replay", str(project), "part.png", "--data", "replayed"], ["run", str(project), "part.png"]):
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        done = subprocess.run(
            [sys.executable, "-m", "service.cli", *command],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    here = Path.cwd()
    TriedProject(project).inspect(np.zeros((8, 8, 3), np.uint8), data="tried")
    assert Path.cwd() == here
    assert rows(project).split() == ["served", "again", "replayed", "tried"]  # framemill run hands over no data
    assert [path.name for path in elsewhere.iterdir()] == ["part.png"]


def test_a_data_folder_that_is_made_anew_is_the_working_folder_again(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, look=WRITES)
    with serving(project, "--workers", "1") as server:
        post(server, "a").raise_for_status()
        shutil.rmtree(project / "data")
        (project / "data").mkdir()
        until(lambda: post(server, "b").json()["result"] and (project / "data" / "rows.txt").exists())


def test_check_makes_no_data_folder_and_imports_as_a_worker_does(tmp_path: Path) -> None:
    code = f"import os\nopen('made.txt', 'w').close()\nassert os.environ['FRAMEMILL_DATA'].endswith('data')\n{WRITES}"
    project = write_project(tmp_path / "p", FLOW, look=code)
    command = [sys.executable, "-m", "service.cli", "check", str(project)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in project.iterdir()) == ["code", "framemill.toml"]
    assert not (CHECKOUT / "made.txt").exists()


COMPUTES = """
import threading, zlib
block = bytes(1 << 20)

def compute():
    while True:
        zlib.crc32(block)

def main(context):
    global threads
    if "threads" not in globals():
        threads = [threading.Thread(target=compute, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
    for _ in range(10):
        zlib.crc32(block)
"""


def test_a_worker_that_computes_on_more_threads_than_its_share_is_named_once(tmp_path: Path) -> None:
    with serving(write_project(tmp_path / "p", FLOW, look=COMPUTES)) as server:
        until(lambda: post(server, "").is_success and named(server.log))
        for _ in range(50):
            post(server, "").raise_for_status()
        assert len(named(server.log)) == 1
    assert "more only get in each other's way" in named(server.log)[0]


def named(log: list[str]) -> list[str]:
    return [line for line in log if "threads, and its share is" in line]


def test_threads_that_wait_are_not_counted() -> None:
    over = threading.Event()
    threads = [threading.Thread(target=over.wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    watch = ThreadWatch(1, 1, mmap.mmap(-1, 1))
    try:
        for frames in (5, 20, 80, 320):
            sum(range(300_000))
            assert watch.why(frames) == ""
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_memory_that_the_first_frame_takes_counts_as_loaded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    has = [100 * MIB]
    monkeypatch.setattr(Growth, "_data_bytes", lambda _: has[0])  # as if this process had grown
    growth = Growth(PoolSettings(workers=1, worker_memory_mib=512, max_frame_mib=24), 0)
    has[0] = 420 * MIB
    assert growth.why(1) == ""
    assert "worker_memory_mib = 512 is little for this project" in caplog.text
    assert "it has 420 MiB, so at least 592 were expected" in caplog.text
    assert growth.why(2) == ""
    has[0] = 480 * MIB
    assert until(lambda: growth.why(3)) == "it has grown to 480 MiB of 512 (worker_memory_mib)"


HUNGRY = """
import numpy as np, os
held = None

def main(context):
    global held
    if held is None:
        held = np.ones(220 << 20, np.uint8)
    context["pid"] = os.getpid()
"""


def test_a_project_whose_first_frame_takes_much_goes_on_and_is_told(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, look=HUNGRY)
    with serving(project, "--workers", "1", "--worker-memory-mib", "300") as server:
        pids = {post(server, "").raise_for_status().json()["pid"] for _ in range(20)}
        assert len(pids) == 1
        assert children_of(server.process.pid)
        until(lambda: any("worker_memory_mib = 300 is little for this project" in line for line in server.log))
