"""What workers say beside their frames: whole lines with their names in the log, bounded, never in a frame's way."""

from __future__ import annotations

import os
import re
import selectors
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import children_of, command_of, post, until
from tests.support.running import Server, serving, write_project
from workers.containment.log import Outputs

SPEAK = """
import ctypes, logging, os, subprocess, sys
print("said at import")
logging.basicConfig(stream=sys.stdout, format="%(message)s")
FORGED = b"forged\\rframemill ERROR: the server is on fire\\x1b[2J\\n"

def write(data):
    try:
        os.write(1, data)
    except BlockingIOError:
        pass

def main(context):
    exec(context["data"], {**globals(), "context": context})
    context["pid"] = os.getpid()
"""


class Log:
    """A supervisor's side of one worker's pipe, with this process's standard error as its log."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.capfd = capfd
        self.selector = selectors.DefaultSelector()
        self.outputs = Outputs(self.selector)
        reader, self.writer = self.outputs.pipe()
        self.outputs.follow(7, reader)

    def say(self, data: bytes) -> str:
        """Write, let the supervisor read, and return what is in the log."""
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self.writer, view) :]
            except BlockingIOError:
                self.turn()
        self.turn()
        return self.capfd.readouterr().err

    def turn(self) -> None:
        while ready := self.selector.select(0):
            for key, _ in ready:
                key.data()

    def next_second(self) -> str:
        self.outputs.tick(time.monotonic_ns() + 10**10)
        return self.capfd.readouterr().err


@pytest.fixture
def log(capfd: pytest.CaptureFixture[str]) -> Log:
    return Log(capfd)


def test_lines_come_whole_and_with_their_workers_name(log: Log) -> None:
    assert log.say(b"one\ntwo and") == "worker 7: one\n"
    assert log.say(" a half: ž\n\n".encode()) == "worker 7: two and a half: ž\nworker 7: \n"


def test_no_line_can_be_forged(log: Log) -> None:
    assert log.say(b"a\rframemill: b\x1b[31m\x00\x07\xff\tc\n") == (
        "worker 7: a\\rframemill: b\\x1b[31m\\x00\\x07\\xff\tc\n"
    )
    assert log.say("one\u2028two\u202ethree\x85\n".encode()) == "worker 7: one\\u2028two\\u202ethree\\x85\n"


@pytest.mark.parametrize("end", [b"\n", b"x" * 50_000 + b"\n"])
@pytest.mark.parametrize("letter", [b"x", b"\x01", "ž".encode()])
def test_long_lines_are_cut_and_the_next_is_whole(log: Log, letter: bytes, end: bytes) -> None:
    first, second = log.say(letter * 5000 + end + b"next\n").splitlines()
    assert 4000 < len(first.encode()) < 4096
    assert first.endswith(" [cut]")
    assert second == "worker 7: next"
    assert log.next_second().endswith(" bytes dropped\n")


def test_of_a_flood_64_kb_are_kept_and_the_rest_is_counted(log: Log) -> None:
    kept = log.say(b"x" * 99 + b"\n" + b"".join(b"%099d\n" % number for number in range(100_000)))
    assert 60_000 < len(kept) <= 65_536
    assert all(len(line) == len("worker 7: ") + 99 for line in kept.splitlines())
    said = log.next_second()
    dropped = int(said.removeprefix("worker 7: ... ").removesuffix(" bytes dropped\n").replace(",", ""))
    # of each line kept its prefix was added, of each one dropped the line's end may not be counted
    assert 0 <= 10_000_100 - dropped - len(kept) + 10 * len(kept.splitlines()) <= 100_000
    assert "worker 7: after\n" in log.say(b"\nafter\n")


def test_empty_lines_are_no_way_around_the_limit(log: Log) -> None:
    assert len(log.say(b"\n" * 1_000_000)) <= 65_536


def test_last_words_are_kept_whatever_was_said_before(log: Log) -> None:
    log.say(b"x" * 999_999 + b"\n")
    os.write(log.writer, b"y" * 60_000 + b"\nFatal Python error: Segmentation fault\n  File one")
    log.outputs.end(7)
    said = log.capfd.readouterr().err.splitlines()
    assert said[:2] == ["worker 7: Fatal Python error: Segmentation fault", "worker 7:   File one"]
    assert said[2].endswith(" bytes dropped")
    with pytest.raises(BrokenPipeError):
        os.write(log.writer, b"x")


def test_a_pipe_that_everybody_closed_does_not_keep_the_supervisor_busy(log: Log) -> None:
    os.close(log.writer)
    log.turn()
    assert not log.selector.get_map()
    log.outputs.end(7)


@pytest.fixture(name="server", scope="module")
def speaking_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder: Path = tmp_path_factory.mktemp("output") / "speaks"
    project = write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/speak.py"\n', speak=SPEAK)
    with serving(project, "--workers", "1", env={"FRAMEMILL_DEADLINE_MS": "60000"}) as running:
        yield running


def told(server: Server, code: str) -> int:
    """Run `code` in a frame; returns the worker's id, which must be the same as ever."""
    answer = post(server, code)
    assert (answer.status_code, answer.json()["errors"]) == (200, [])
    pid: int = answer.json()["pid"]
    return pid


def test_all_ways_out_of_a_worker_end_in_the_log(server: Server) -> None:
    pid = told(server, "write(FORGED); ctypes.CDLL(None).puts(b'from C'); ctypes.CDLL(None).fflush(None)")
    told(server, "os.system('echo from a shell'); logging.warning('logged'); print('to the context')")
    expected = ["forged\\rframemill ERROR: the server is on fire\\x1b[2J", "from C", "from a shell"]
    lines = {f"worker {pid}: {said}\n" for said in [*expected, "logged"]}
    until(lambda: lines <= set(server.log))
    assert any(re.fullmatch(r"template \d+: said at import\n", line) for line in server.log)
    assert not any("to the context" in line for line in server.log)


@pytest.mark.parametrize(
    "code",
    [
        "for _ in range(500): write(b'x' * 65536)",
        "for _ in range(20_000): write(b'one more line\\n')",
        "libc = ctypes.CDLL(None)\nfor _ in range(20_000): libc.puts(b'one more line of C')\nlibc.fflush(None)",
        "for _ in range(20): print('x' * 10**6, file=sys.__stdout__)",
        "print('x' * 10**8)",
    ],
)
def test_a_flood_blocks_no_frame_and_kills_no_worker(server: Server, code: str) -> None:
    before = len(server.log)
    pid = told(server, "")
    begun = time.monotonic()
    assert told(server, code) == told(server, "") == pid
    seconds = time.monotonic() - begun + 2
    assert sum(map(len, server.log[before:])) < seconds * 70_000


def test_a_supervisor_that_does_not_read_blocks_no_worker(server: Server) -> None:
    pid = told(server, "")
    os.kill(server.process.pid, signal.SIGSTOP)
    try:
        assert told(server, "for _ in range(100): write(b'x' * 65536)") == pid
        assert told(server, "print('x' * 10**6, file=sys.__stdout__)") == pid
    finally:
        os.kill(server.process.pid, signal.SIGCONT)
    until(lambda: any(f"worker {pid}: ... " in line and "bytes dropped" in line for line in server.log))
    assert pid in [
        child for child in children_of(server.process.pid) if "service.server.front" not in command_of(child)
    ]


def test_closed_descriptors_are_not_missed(server: Server) -> None:
    pid = told(server, "os.close(1)\nos.close(2)")
    assert told(server, "print('x' * 10**6, file=sys.__stdout__)") == pid

    def is_heard() -> bool:
        """Ask until the second is over in which a flood leaves no room."""
        assert told(server, "print('still heard', file=sys.__stderr__)") == pid
        return f"worker {pid}: still heard\n" in server.log

    until(is_heard)


def test_there_is_no_input_to_wait_for(server: Server) -> None:
    assert post(server, "input()").json()["errors"][0]["type"] == "EOFError"


def test_the_trace_of_a_native_crash_is_in_the_log(server: Server) -> None:
    pid = told(server, "")
    assert post(server, "ctypes.string_at(0)").json()["code"] == "worker_crashed"
    until(lambda: f"worker {pid}: Fatal Python error: Segmentation fault\n" in server.log)
    until(lambda: any(line.startswith(f"worker {pid}:   File ") and " in main" in line for line in server.log))
