"""A frame that hangs: answer and log say in which module and line, how long it waited and ran, and what it printed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.faults import FRAME, RAW, begin, faulty, post, until
from tests.support.running import Server, serving, write_project

pytestmark = pytest.mark.long

FIRST = "def main(context):\n    print('the first one')\n"
STUCK = """
import ctypes, signal, threading, time

def wait_in_c():
    ctypes.PyDLL(None).sleep(1000)  # c: keeps the interpreter's lock

def main(context):
    what = context["data"]
    print("about to", what)
    if what == "loop":
        while True: pass  # loop
    if what == "sleep":
        time.sleep(1000)  # sleep
    if what == "c":
        wait_in_c()
    if what == "power":
        7 ** (10**9)  # power
    if what == "blocks":
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        threading.Event().wait()  # blocks
    if what == "takes":
        signal.signal(signal.SIGRTMAX, signal.SIG_IGN)
        threading.Event().wait()
    if what == "unblocks":
        signal.signal(signal.SIGRTMAX, lambda *_: None)
        threading.Event().wait()
    if what == "deep":
        deep(200)
    if what == "threads":
        for _ in range(20):
            threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        time.sleep(1000)  # threads

def deep(left):
    if left:
        deep(left - 1)
    time.sleep(1000)  # deep
"""
FUNCTIONS = {"c": "wait_in_c", "deep": "deep"}


def where(what: str) -> str:
    """The line that says so in its comment."""
    line = next(number for number, line in enumerate(STUCK.splitlines(), 1) if f"  # {what}" in line)
    return f"code/stuck.py, line {line}, in {FUNCTIONS.get(what, 'main')}"


WHERE = {what: where(what) for what in ("loop", "sleep", "c", "power", "blocks", "deep", "threads")}
WHERE["takes"] = "no stack: code has taken the signal SIGRTMAX"
WHERE["unblocks"] = "no stack: the process wrote none"
TIMES = r"it waited (\d+) ms and ran (\d+) ms, "
FLOW = '[[flow]]\nmodule = "code"\nfile = "code/first.py"\n[[flow]]\nmodule = "code"\nfile = "code/stuck.py"\n'


@pytest.fixture(name="server", scope="module")
def hanging_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    toml = f"[server]\nrun_ms = 300\ndeadline_ms = 60_000\n{FLOW.replace('stuck.py', 'stuck.py')}"
    project = write_project(tmp_path_factory.mktemp("told") / "p", toml, first=FIRST, stuck=STUCK)
    with serving(project, "--workers", "1") as running:
        yield running


@pytest.mark.parametrize("what", WHERE)
def test_answer_and_log_say_where_it_was(server: Server, what: str) -> None:
    said, killed = len(server.log), server.status()["workers"]["killed_for_time"]
    answer = post(server, what)
    assert (answer.status_code, answer.json()["code"]) == (504, "deadline_exceeded")
    place = rf"{TIMES}module 2 \(stuck\), {re.escape(WHERE[what])}$"
    found = re.search(place, answer.json()["detail"])
    assert found, answer.json()["detail"]
    waited_ms, ran_ms = map(int, found.groups())
    assert waited_ms < 60_000
    assert ran_ms >= 300
    until(lambda: server.status()["workers"]["ready"] == 1)
    assert server.status()["workers"]["killed_for_time"] == killed + 1
    text = "".join(server.log[said:])
    found = re.search(
        rf"worker (\d+) is killed: its frame ran longer than 300 ms \(run_ms\): {place}", text, re.MULTILINE
    )
    assert found, text
    worker = found[1]
    assert f"worker {worker}: what its frame had printed to stdout:\n" in text
    assert f"worker {worker}: the first one\nworker {worker}: about to {what}\n" in text
    if what not in {"takes", "unblocks"}:
        line = WHERE[what].replace("code/stuck.py,", 'File "code/stuck.py",').replace(", in ", " in ")
        assert f"worker {worker}:   {line}\n" in text


def test_a_worker_that_dies_at_a_frame_says_in_which_module_and_what_it_printed(tmp_path: Path) -> None:
    crash = "import ctypes\ndef main(context):\n    print('about to die')\n    ctypes.string_at(0)\n"
    with serving(write_project(tmp_path / "p", FLOW, first=FIRST, stuck=crash), "--workers", "1") as server:
        assert post(server, "").json()["code"] == "worker_crashed"
        until(lambda: any("has ended while its frame was in module 2 (stuck)\n" in line for line in server.log))
        until(lambda: any(re.fullmatch(r"worker \d+: about to die\n", line) for line in server.log))


def test_a_worker_may_die_of_a_signal_without_a_name(tmp_path: Path) -> None:
    kill = "import os\ndef main(context):\n    if context['data']:\n        os.kill(os.getpid(), 40)\n"
    with serving(write_project(tmp_path / "p", FLOW, first=FIRST, stuck=kill), "--workers", "1") as server:
        assert post(server, "now").json()["code"] == "worker_crashed"
        until(lambda: any(re.search(r"worker \d+ ended by signal 40; it is replaced\n", line) for line in server.log))
        until(lambda: post(server, "").status_code == 200)


def asked(server: Server, data: str, deadline_ms: int) -> httpx.Response:
    with server.client() as client:
        params: dict[str, str | int] = {"data": data, "width": 16, "height": 16, "deadline_ms": deadline_ms}
        return client.post(RAW, params=params, content=FRAME)


def test_a_client_whose_deadline_comes_first_is_told_too_and_code_is_not_disturbed(tmp_path: Path) -> None:
    """Calls of C that a signal would end go on: usleep(3) returns 0."""
    nap = (
        "import ctypes, pathlib\n"
        "def main(context):\n"
        "    left = ctypes.CDLL(None).usleep(int(context['data']))\n"
        "    pathlib.Path(context['dataFolder'], context['data']).write_text(str(left))\n"
    )
    with serving(write_project(tmp_path / "p", FLOW, first=FIRST, stuck=nap), "--workers", "1") as server:

        def is_told(us: int) -> bool:
            """On a busy machine a look may come too late: then the module alone is known."""
            detail = asked(server, str(us), 900).json()["detail"]
            assert re.search(rf"{TIMES}module 2 \(stuck\)", detail), detail
            written = server.project / "data" / str(us)
            until(written.exists)
            assert until(written.read_text) == "0"
            return str(detail).endswith(", code/stuck.py, line 3, in main")

        numbers = iter(range(1_200_000, 1_200_999))
        until(lambda: is_told(next(numbers)))
        assert server.status()["workers"]["deaths"] == 0


def test_a_frame_that_was_not_begun_says_how_long_it_waited(tmp_path: Path) -> None:
    with serving(faulty(tmp_path / "p"), "--workers", "1") as server:
        thread, _, gate = begin(server, "go")
        detail = asked(server, "fine", 200).json()["detail"]
        found = re.fullmatch(r".* by its deadline: it waited (\d+) ms and was not begun", detail)
        assert found, detail
        assert 150 < int(found[1]) < 60_000
        gate.touch()
        thread.join()
