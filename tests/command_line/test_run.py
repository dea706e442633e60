"""`framemill run` as its users meet it: real processes, frames that end them, files for other programs."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
from io import FileIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.command_line.tried import (
    CRASH,
    DEAF,
    EXIT,
    FLOW,
    GREEDY,
    HANG,
    NOK,
    OK,
    RAISE,
    children_of,
    command,
    framemill,
    judge,
    picture,
)
from tests.support.running import CHECKOUT, serving, write_project

pytestmark = pytest.mark.long

TIMES = {"processingTime", "completeTime", "timings"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return judge(tmp_path_factory.mktemp("judge"))


def test_it_prints_a_table_in_the_order_of_the_files_and_ends_with_a_status_to_script_with(
    project: Path, tmp_path: Path
) -> None:
    marks = {f"{number:02}.png": NOK if number % 3 == 0 else OK for number in range(12)}
    for name, mark in marks.items():
        picture(tmp_path / name, mark)
    done = framemill("run", project, tmp_path, "--workers", 2)
    head, *rows = done.stdout.splitlines()
    assert head.split() == ["verdict", "file", "score", "flow", "ms", "found"]
    assert [(row.split()[0], Path(row.split()[1]).name) for row in rows] == [
        ("NOK" if mark == NOK else "OK", name) for name, mark in marks.items()
    ]
    assert rows[0].endswith("1 scratch")
    assert done.stderr.startswith("12 frames: 8 OK, 4 NOK; ")
    assert "2 processes" in done.stderr
    assert done.returncode == 6
    assert framemill("run", project, tmp_path / "01.png").returncode == 0


def test_the_contexts_are_those_that_a_server_answers(project: Path, tmp_path: Path) -> None:
    files = [picture(tmp_path / f"{mark}.png", mark) for mark in (OK, NOK, RAISE)]
    framemill("run", project, tmp_path, "--jsonl", tmp_path / "a.jsonl")
    found = [json.loads(line)["context"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    with serving(project) as server, server.client() as client:
        answers = [_analyse(client, path) for path in files]
    for context, answer in zip(found, answers, strict=True):
        assert _without_times(context) == _without_times(answer)


def _analyse(client: httpx.Client, path: Path) -> dict[str, Any]:
    answer = client.post("/analyze_image", content=path.read_bytes(), headers={"Content-Type": "image/png"})
    context: dict[str, Any] = answer.raise_for_status().json()
    return context


def _without_times(context: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in context.items() if key not in TIMES}


def test_a_frame_that_ends_its_process_is_an_error_row_and_the_run_goes_on(tmp_path: Path) -> None:
    project = judge(tmp_path / "p", "run_ms = 300\nworkers = 2\n")
    marks = [OK, CRASH, NOK, EXIT, HANG, RAISE, GREEDY, DEAF, OK]
    for number, mark in enumerate(marks):
        picture(tmp_path / "parts" / f"{number}.png", mark)
    (tmp_path / "parts" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = framemill("run", project, tmp_path / "parts", "--jsonl", tmp_path / "a.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert " ".join(line["verdict"] for line in lines) == "OK ERROR NOK ERROR ERROR NOK NOK ERROR OK ERROR"
    assert lines[1]["error"] == "its process died of SIGSEGV in code/judge.py, line 18, main"
    assert lines[3]["error"] == "its process ended itself, exit status 9"
    assert lines[4]["error"].startswith("it was not done within 300 ms (run_ms), and its process died of SIGKILL in")
    assert "code/judge.py, line 2" in lines[4]["error"]
    assert "too odd (code/judge.py, line 25)" in done.stdout
    assert lines[7]["error"] == "its process closed what it answers through, and was killed"
    assert "MemoryError" in json.dumps(lines[6]["context"]["errors"])
    assert "10 frames: 2 OK, 3 NOK, 5 ERROR (2 of them because the flow failed)" in done.stderr
    assert done.returncode == 1


def test_a_worker_that_grows_is_replaced_and_no_frame_is_lost(tmp_path: Path) -> None:
    keeps = "import os\nkept = []\ndef main(context):\n    kept.append(1)\n    context['pid'] = os.getpid()\n"
    project = write_project(tmp_path / "p", f"{FLOW}[server]\nrecycle_after_frames = 4\nworkers = 1\n", judge=keeps)
    for number in range(10):
        picture(tmp_path / "parts" / f"{number}.png", OK)
    done = framemill("run", project, tmp_path / "parts", "--csv", tmp_path / "a.csv")
    assert done.returncode == 0, done.stdout
    with (tmp_path / "a.csv").open(newline="") as file:
        assert len({row["pid"] for row in csv.DictReader(file)}) == 3


def test_threads_that_never_end_hold_up_neither_the_run_nor_its_end(tmp_path: Path) -> None:
    code = "import threading\nthreading.Thread(target=threading.Event().wait).start()\ndef main(context): pass\n"
    project = write_project(tmp_path / "p", f"{FLOW}[server]\nrecycle_after_frames = 2\nworkers = 1\n", judge=code)
    for number in range(3):
        picture(tmp_path / "parts" / f"{number}.png", OK)
    done = framemill("run", project, tmp_path / "parts")
    assert (done.returncode, done.stderr.partition(";")[0]) == (0, "3 frames: 3 OK")


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import os\nos._exit(9)\n", "workers die while they load the project: it ended itself, exit status 9"),
        (
            "import os\nos.kill(os.getpid(), 11)\n",
            "workers die while they load the project: it died of SIGSEGV in code",
        ),
        ("1/0\n", "division by zero"),
    ],
)
def test_code_that_cannot_be_loaded_ends_the_run_and_says_why(tmp_path: Path, code: str, why: str) -> None:
    project = write_project(tmp_path / "p", FLOW, judge=f"{code}def main(context): pass\n")
    done = framemill("run", project, picture(tmp_path / "part.png", OK))
    assert done.returncode == 3
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_code_may_write_to_the_data_folder_only_and_does_at_its_end_what_it_has_left_for_it(tmp_path: Path) -> None:
    code = """
import atexit, os, pathlib
data = pathlib.Path(os.environ["FRAMEMILL_DATA"])
atexit.register(lambda: (data / "end").write_text("done"))
def main(context):
    (pathlib.Path(context["dataFolder"]) / "seen").write_text("yes")
    pathlib.Path(__file__).with_name("beside").write_text("no")
"""
    project = write_project(tmp_path / "p", FLOW, judge=code)
    (project / "data").mkdir()
    done = framemill("run", project, picture(tmp_path / "part.png", OK), "--annotated", project / "seen")
    assert "write into the data folder" in done.stdout
    assert [path.name for path in sorted((project / "data").iterdir())] == ["end", "seen"]
    assert [path.name for path in (project / "code").iterdir()] == ["judge.py"]
    assert [path.name for path in (project / "seen").iterdir()] == ["part.png"]


def test_what_the_server_would_refuse_to_start_with_is_a_clear_error(tmp_path: Path) -> None:
    part = picture(tmp_path / "part.png", OK)
    bad = write_project(tmp_path / "bad", '[[flow]]\nmodule = "cod"\n')
    done = framemill("run", bad, part)
    assert (done.returncode, "flow[0].module" in done.stderr) == (3, True)
    done = framemill("run", judge(tmp_path / "p"), part, env={"FRAMEMILL_DISABLE_CODE": "1"})
    assert (done.returncode, "disable_code" in done.stderr) == (3, True)
    assert framemill("run", tmp_path / "p", tmp_path / "nothing").returncode == 1
    assert framemill("run", tmp_path / "p", part, "--report", tmp_path / "r.html").returncode == 2
    done = framemill("run", tmp_path / "p", part, "--csv", tmp_path / "no" / "a.csv")
    assert (done.returncode, "a.csv cannot be written" in done.stderr) == (1, True)
    done = framemill("run", tmp_path / "p", part, env={"FRAMEMILL_MAX_FRAME_MIB": "1"})
    assert done.returncode == 0
    part.write_bytes(part.read_bytes() + bytes(1 << 20))
    done = framemill("run", tmp_path / "p", part, env={"FRAMEMILL_MAX_FRAME_MIB": "1"})
    assert (done.returncode, "max_frame_mib" in done.stdout) == (1, True)


def test_ctrl_c_ends_it_with_one_line_keeps_what_there_is_and_leaves_no_process(tmp_path: Path) -> None:
    project = judge(tmp_path / "p", "workers = 1\n")
    for number, mark in enumerate([OK, NOK, HANG]):
        picture(tmp_path / "parts" / f"{number}.png", mark)
    running = subprocess.Popen(
        command("run", project, tmp_path / "parts", "--csv", tmp_path / "a.csv"),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    for _ in range(3):  # the head, and two frames; the third never ends
        running.stdout.readline()
    children = children_of(running.pid)
    assert children
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=60)
    assert (running.returncode, said) == (130, "framemill: interrupted\n")
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 3
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_on_a_terminal_a_bar_says_how_far_it_is(project: Path, tmp_path: Path) -> None:
    for number in range(12):
        picture(tmp_path / "parts" / f"{number:02}.png", OK)
    ours, theirs = os.openpty()
    with open(ours, "rb", buffering=0, closefd=True) as terminal:  # noqa: PTH123 - a descriptor
        with (tmp_path / "out").open("wb") as out:
            running = subprocess.Popen(
                command("run", project, tmp_path / "parts"),
                cwd=CHECKOUT,
                stdout=out,
                stderr=theirs,
                env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
            )
        os.close(theirs)
        said = b""
        while piece := _read(terminal):
            said += piece
    assert running.wait(60) == 0
    assert re.search(rb"frames.*12/12", said)
    assert b"12 frames: 12 OK" in said
    assert len((tmp_path / "out").read_text().splitlines()) == 13


def _read(terminal: FileIO) -> bytes:
    try:
        return terminal.read(65_536)
    except OSError:  # whoever wrote to it has ended
        return b""
