"""globalData: what a frame leaves for later ones, key by key, in one process and in many that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.projects import code_flow, frame, write_project
from tests.support.running import CHECKOUT
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.memory.global_data import GlobalData, create_global_data, open_global_data

FAR_NS = 1 << 62
COUNT = """
def main(context):
    shared = context["globalData"]
    context["found"] = dict(shared)
    exec(context["data"])
"""


class Frames:
    """Frames of a flow, one after another, in one memory."""

    def __init__(self, flow: Flow, kib: int = 64) -> None:
        self._flow = flow
        self.fd = create_global_data(kib)
        self.shared = GlobalData(self.fd)

    def run(self, does: str = "") -> dict[str, Any]:
        """Inspect a frame whose code does what it is told; returns its context."""
        return self._flow.run(frame(), data=does, deadline_ns=FAR_NS, shared=self.shared).context


@pytest.fixture(name="frames")
def frames_of_one_flow(tmp_path: Path) -> Frames:
    return Frames(code_flow(tmp_path, COUNT))


def test_a_frame_finds_what_frames_before_it_left(frames: Frames) -> None:
    assert frames.run("shared['parts'] = 1")["found"] == {}
    context = frames.run("shared['parts'] += 1; shared['last'] = {'name': 'x', 'sizes': [1, 2.5, None, True]}")
    assert context["found"] == {"parts": 1}
    assert context["globalData"] == {"parts": 2, "last": {"name": "x", "sizes": [1, 2.5, None, True]}}
    assert frames.run()["found"] == context["globalData"]
    assert frames.run("shared['last']['sizes'].append('deep'); del shared['parts']")["errors"] == []
    assert frames.run("context['globalData'] = {'all': 'new'}")["found"] == {
        "last": {"name": "x", "sizes": [1, 2.5, None, True, "deep"]}
    }
    assert frames.run()["found"] == {"all": "new"}


def test_only_keys_that_a_frame_has_changed_are_written(frames: Frames) -> None:
    frames.run("shared.update(mine=1, yours=1, gone=1)")
    other = GlobalData(frames.fd)
    other.change(lambda text: json.dumps({**json.loads(text), "yours": 2, "theirs": 3}).encode())
    assert frames.run("shared['mine'] = 5; del shared['gone']")["found"] == {
        "mine": 1,
        "yours": 2,
        "gone": 1,
        "theirs": 3,
    }
    assert frames.run()["found"] == {"mine": 5, "yours": 2, "theirs": 3}


def test_what_another_worker_changes_while_a_frame_runs_stays(tmp_path: Path) -> None:
    source = """
        import json
        from workers.memory.global_data import GlobalData

        def main(context):
            context["globalData"]["mine"] = 1
            if context["data"]:
                other = GlobalData(int(context["data"]))
                other.change(lambda text: json.dumps({**json.loads(text), "mine": 9, "theirs": 2}).encode())
            context["found"] = dict(context["globalData"])
    """
    frames = Frames(code_flow(tmp_path, source))
    frames.run(str(frames.fd))
    # theirs, which this frame never saw, is there; mine was written by both, and the last one wins
    assert json.loads(GlobalData(frames.fd).read()) == {"mine": 1, "theirs": 2}


def test_what_json_cannot_hold_is_an_error_that_names_the_key_and_the_rest_is_kept(frames: Frames) -> None:
    frames.run("shared['old'] = 1")
    context = frames.run("shared.update(tags={1, 2}, good=3, old=float('nan'), big=1 << 70, deep=[0.5, {'x': 1e999}])")
    where, not_kept = "context['globalData']", "JSON cannot hold: it is not kept for later frames"
    assert [entry["message"] for entry in context["errors"]] == [
        f"{where}['old'] is nan, which {not_kept}",
        f"{where}['tags'] (a set) is or has in it what {not_kept}",
        f"{where}['big'] ({1 << 70}) is or has in it what {not_kept}",
        f"{where}['deep'][1]['x'] is inf, which {not_kept}",
    ]
    assert context["globalData"] == {"good": 3}
    assert (context["error"], context["result"]) == (True, False)
    assert frames.run()["found"] == {"old": 1, "good": 3}


def test_numbers_of_numpy_come_back_as_numbers_and_lists(frames: Frames) -> None:
    frames.run(
        "import numpy as np; shared.update(mean=np.float32(0.5), row=np.arange(3), pair=(1, 2)); shared[7] = 'x'"
    )
    assert frames.run()["found"] == {"mean": 0.5, "row": [0, 1, 2], "pair": [1, 2], "7": "x"}


def test_more_than_there_is_room_for_is_an_error_that_names_the_largest_key(tmp_path: Path) -> None:
    frames = Frames(code_flow(tmp_path, COUNT), kib=1)
    frames.run("shared.update(log='x' * 500, parts=1)")
    context = frames.run("shared['log'] += 'y' * 600; shared['parts'] = 2")
    (error,) = context["errors"]
    assert error["message"] == (
        "context['globalData'] has 1,120 bytes as JSON, at most 1,024 are kept (global_data_kib): nothing that this"
        " frame changed in it is; the largest part is 'log' with 1,102"
    )
    assert context["result"] is False
    assert frames.run()["found"] == {"log": "x" * 500, "parts": 1}


def test_something_else_in_its_place_changes_nothing(frames: Frames) -> None:
    frames.run("shared['parts'] = 1")
    context = frames.run("context['globalData'] = 5")
    assert context["errors"][0]["message"].startswith("context['globalData'] is 5, expected dict")
    frames.run("del context['globalData']")
    assert frames.run()["found"] == {"parts": 1}


def test_a_flow_that_never_names_it_does_not_look(tmp_path: Path) -> None:
    silent = Frames(code_flow(tmp_path / "a", "def main(context): context['n'] = len(context['global' + 'Data'])"))
    silent.shared.change(lambda _: b'{"parts": 1}')
    assert silent.run()["n"] == 0
    named = Frames(
        Flow.prepare(
            load_project(
                write_project(tmp_path / "b", "[[flow]]\nmodule = 'only_if'\nexpression = 'globalData.parts > 3'\n" * 2)
            )
        )
    )
    named.shared.change(lambda _: b'{"parts": 4}')
    assert len(named.run()["timings"]) == 2
    named.shared.change(lambda _: b'{"parts": 3}')
    assert len(named.run()["timings"]) == 1


def test_branches_change_it_key_by_key(tmp_path: Path) -> None:
    flow = """
        [[flow]]
        module = "parallel"
        branches = [[{ module = "code", file = "code/one.py" }], [{ module = "code", file = "code/two.py" }]]
    """
    one = "def main(context): context['globalData'].update(a=1, both=1); context['globalData'].pop('old', None)"
    two = "def main(context): context['globalData'].update(b=2, both=2)"
    frames = Frames(Flow.prepare(load_project(write_project(tmp_path, flow, one=one, two=two))))
    frames.shared.change(lambda _: b'{"old": 1, "kept": 1}')
    context = frames.run()
    assert context["globalData"] == {"kept": 1, "a": 1, "b": 2, "both": 2}
    assert "notes" not in context
    assert json.loads(GlobalData(frames.fd).read()) == context["globalData"]


def test_the_memory_of_the_server_before_is_taken_over_in_any_size() -> None:
    before = create_global_data(1)
    GlobalData(before).change(lambda _: b'{"parts": 1}')
    assert open_global_data(1, before) == before
    larger = open_global_data(2, before)
    assert larger != before
    assert GlobalData(larger).read() == b'{"parts": 1}'
    assert GlobalData(larger).room_bytes == 2048
    assert GlobalData(open_global_data(1, None)).read() == b"{}"


def test_rubbish_in_the_memory_is_nothing_and_the_next_change_is_whole() -> None:
    fd = create_global_data(1)
    GlobalData(fd).change(lambda _: b'{"parts": 1}')
    os.pwrite(fd, b"\xff" * 64, 4096 + 1024)
    assert GlobalData(fd).read() == b"{}"
    GlobalData(fd).change(lambda text: text[:-1] + b'"new":1}')
    assert GlobalData(fd).read() == b'{"new":1}'


# each counts under its own name and keeps a text that cannot be mistaken for a torn one, until it is killed
_WRITER = """
import json, sys
from workers.memory.global_data import GlobalData
shared, name = GlobalData(int(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
number = 0
while True:
    number += 1
    part = {name: {"number": number, "text": chr(97 + number % 26) * (number * 37 % 900)}}
    shared.change(lambda text: json.dumps({**json.loads(text), **part}).encode())
    assert json.loads(shared.read())[name] == part[name]
    if number == 200:
        print("counted", flush=True)
"""


def test_writers_that_are_killed_tear_nothing_and_hold_nothing() -> None:
    fd = create_global_data(64)
    reader = GlobalData(fd)
    for turn in range(8):
        writers = [_start(fd, f"w{number}") for number in range(3)]
        victim = writers[turn % 3]
        for writer in writers:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "ready\n"
        assert victim.stdout is not None
        assert victim.stdout.readline() == "counted\n"
        for writer in writers:
            for _ in range(20):
                _whole(reader.read())
            os.kill(writer.pid, signal.SIGKILL)
        for writer in writers:
            assert writer.wait() == -signal.SIGKILL
            assert writer.stdout is not None
            writer.stdout.close()
        assert _whole(reader.read())[f"w{turn % 3}"]["number"] >= 200
        # nobody holds it any more
        reader.change(lambda text: text)
    os.close(fd)


def _start(fd: int, name: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", _WRITER, str(fd), name]
    return subprocess.Popen(line, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True, pass_fds=[fd])


def _whole(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    for name, part in found.items():
        if name.startswith("w"):
            number = part["number"]
            assert part["text"] == chr(97 + number % 26) * (number * 37 % 900)
    return found
