"""What user code has left for its end is done at a stop, a reload, a recycling and an upgrade, and within a bound."""

from __future__ import annotations

import gzip
import os
import re
import signal
from pathlib import Path

import pytest

from tests.succession.upgrades import line_of_servers
from tests.support.faults import children_of, post, until, whole
from tests.support.running import Server, serving, write_project

# buffered in each worker, and never closed by the code itself
ROWS = """
import atexit, csv, gzip, os, pathlib

HERE = pathlib.Path(os.environ["FRAMEMILL_DATA"])
IMPORTED_IN = os.getpid()
rows = None


def say(what):
    with open(HERE / "ends.txt", "a") as ends:
        ends.write(f"{os.getpid()} {what} {IMPORTED_IN}\\n")


atexit.register(say, "atexit")


def stop():
    say("stop")


class Sheet:
    def __init__(self):
        self.lines = []

    def __del__(self):
        (HERE / f"{os.getpid()}.sheet").write_text("".join(self.lines))


def main(context):
    global rows, packed, sheet
    if rows is None:
        rows = csv.writer(open(HERE / f"{os.getpid()}.csv", "w"))
        packed = gzip.open(HERE / f"{os.getpid()}.gz", "wt")
        sheet = Sheet()
    rows.writerow([context["data"]])
    packed.write(context["data"] + "\\n")
    sheet.lines.append(context["data"] + "\\n")
    context["pid"] = os.getpid()
"""
FLOW = '[[flow]]\nmodule = "code"\nfile = "code/rows.py"\n'


def rows_in(project: Path) -> list[str]:
    """The rows of all workers, the same in each kind of file."""
    data = project / "data"
    plain = [line for file in data.glob("*.csv") for line in file.read_text().split()]
    packed = [line for file in data.glob("*.gz") for line in gzip.decompress(file.read_bytes()).decode().split()]
    sheets = [line for file in data.glob("*.sheet") for line in file.read_text().split()]
    assert sorted(plain) == sorted(packed) == sorted(sheets)
    return sorted(plain)


def ends_of(project: Path) -> dict[int, list[str]]:
    """What each process did at its end, in its order."""
    found: dict[int, list[str]] = {}
    for line in (project / "data" / "ends.txt").read_text().splitlines():
        pid, what, _ = line.split()
        found.setdefault(int(pid), []).append(what)
    return found


def importers_in(project: Path) -> set[int]:
    """The processes in which the code was imported."""
    return {int(line.split()[2]) for line in (project / "data" / "ends.txt").read_text().splitlines()}


def post_rows(server: Server, names: list[str]) -> set[int]:
    return {post(server, name).raise_for_status().json()["pid"] for name in names}


NAMES = [f"row{number:02}" for number in range(20)]


@pytest.mark.long
@pytest.mark.parametrize("fork", ["true", "false"])
def test_at_a_stop_no_row_is_lost_and_each_worker_ends_once(tmp_path: Path, fork: str) -> None:
    project = write_project(tmp_path / "rows", f"fork = {fork}\n{FLOW}", rows=ROWS)
    with serving(project) as server:
        pids = post_rows(server, NAMES)
        assert server.stop() == 0
    assert rows_in(project) == NAMES
    ends = ends_of(project)
    assert ends.keys() >= pids
    assert all(what == ["stop", "atexit"] for what in ends.values())
    assert len(ends) in {2, 3}  # there may be a spare, which has imported it too
    if fork == "true":
        assert not ends.keys() & importers_in(project)  # the template, which is no worker
    assert any("all ended by themselves" in line for line in server.log)


@pytest.mark.long
def test_at_a_reload_no_row_is_lost(tmp_path: Path) -> None:
    project = write_project(tmp_path / "rows", FLOW, rows=ROWS)
    with serving(project) as server:
        pids = post_rows(server, NAMES)
        (project / "code" / "rows.py").write_text(f"{ROWS}\nNEW = True\n")
        with server.client() as client:
            client.post("/api/v1/reload").raise_for_status()
        until(lambda: server.status()["reloads"] == 1)
        until(lambda: (project / "data" / "ends.txt").exists() and ends_of(project).keys() >= pids)
        until(lambda: not pids & set(children_of(server.process.pid)))
        assert rows_in(project) == NAMES


@pytest.mark.long
def test_at_a_recycling_no_row_is_lost(tmp_path: Path) -> None:
    project = write_project(tmp_path / "rows", FLOW, rows=ROWS)
    with serving(project, "--recycle-after-frames", "4") as server:
        pids = post_rows(server, NAMES)
        until(lambda: server.status()["workers"]["recycled"] > 0)
        # of those that went the rows are there while the server runs
        gone = until(lambda: pids - set(children_of(server.process.pid)))
        assert ends_of(project).keys() >= gone
        server.stop()
    assert rows_in(project) == NAMES
    assert all(what == ["stop", "atexit"] for what in ends_of(project).values())


@pytest.mark.long
def test_at_an_upgrade_no_row_is_lost(tmp_path: Path) -> None:
    project = write_project(tmp_path / "rows", FLOW, rows=ROWS)
    with line_of_servers(project, tmp_path / "copy") as line:
        pids = post_rows(line.server, NAMES)
        line.install_next()
        line.upgrade()
        assert rows_in(project) == NAMES
        assert ends_of(project).keys() >= pids


HANGS = """
import atexit, os, time

def wait_for_ever():
    print("hangs at its end")
    while True:
        time.sleep(0.01)

atexit.register(wait_for_ever)

def main(context):
    context["pid"] = os.getpid()
"""


@pytest.mark.long
def test_an_end_that_hangs_is_killed_at_the_bound_and_told(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, rows=HANGS)
    with serving(project, "--finish-ms", "100", "--workers", "1") as server:
        pid = post(server, "").json()["pid"]
        assert server.stop() == 0
    log = "".join(server.log)
    assert f"worker {pid} is killed: stop(), atexit and threads took longer at its end than 100 ms (finish_ms)" in log
    assert f"worker {pid}: hangs at its end" in log
    assert "in wait_for_ever" in log  # where it was
    assert re.search(r"processes were asked, [12] did not end in time and were killed", log)  # a spare hangs too


@pytest.mark.long
def test_zero_has_nothing_run_at_the_end(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, rows=HANGS)
    with serving(project, "--finish-ms", "0") as server:
        assert server.stop() == 0
    assert any("all ended by themselves" in line for line in server.log)


RAISES = """
import atexit, os

def main(context):
    context["pid"] = os.getpid()

def stop():
    raise RuntimeError("the scale does not answer")

@atexit.register
def last():
    print("atexit ran all the same")
    raise KeyError("at exit")
"""


@pytest.mark.long
def test_what_raises_at_the_end_is_in_the_log_and_the_rest_goes_on(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, rows=RAISES)
    with serving(project, "--workers", "1") as server:
        assert server.stop() == 0
    log = "".join(server.log)
    assert "the stop() of module 1 (rows) raised" in log
    assert "RuntimeError: the scale does not answer" in log
    assert "atexit ran all the same" in log
    assert "KeyError: 'at exit'" in log


THREADS = """
import concurrent.futures, os, pathlib, threading

HERE = pathlib.Path(os.environ["FRAMEMILL_DATA"])
asked = threading.Event()
pool = None

def write():
    asked.wait()
    (HERE / "thread.txt").write_text("written")

def main(context):
    global pool
    if pool is None:
        pool = concurrent.futures.ThreadPoolExecutor(1)
        threading.Thread(target=write).start()
    pool.submit((HERE / "pool.txt").write_text, "written")

def stop():
    asked.set()
"""


@pytest.mark.long
def test_threads_are_waited_for(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, rows=THREADS)
    with serving(project, "--workers", "1") as server:
        post(server, "").raise_for_status()
        assert server.stop() == 0
    assert (project / "data" / "thread.txt").read_text() == "written"
    assert (project / "data" / "pool.txt").read_text() == "written"


@pytest.mark.long
def test_a_thread_that_never_ends_does_not_keep_atexit_from_running(tmp_path: Path) -> None:
    code = THREADS.replace("asked.set()", "pass").replace("import concurrent", "import atexit, concurrent")
    code += '\natexit.register(lambda: (HERE / "atexit.txt").write_text("ran"))\n'
    project = write_project(tmp_path / "p", FLOW, rows=code)
    with serving(project, "--workers", "1", "--finish-ms", "400") as server:
        post(server, "").raise_for_status()
        assert server.stop() == 0
    assert (project / "data" / "atexit.txt").read_text() == "ran"
    assert any("threads that do not end are not waited for any longer: Thread-1 (write)" in one for one in server.log)


@pytest.mark.long
def test_a_worker_that_is_killed_does_nothing_at_its_end(tmp_path: Path) -> None:
    project = write_project(tmp_path / "rows", FLOW, rows=ROWS)
    with serving(project, "--workers", "1") as server:
        (killed,) = post_rows(server, ["lost"])
        os.kill(killed, signal.SIGKILL)
        until(lambda: whole(server))
        post_rows(server, ["kept"])
        server.stop()
    assert rows_in(project) == ["kept"]
    ends = ends_of(project)
    assert killed not in ends
    assert all(what == ["stop", "atexit"] for what in ends.values())
