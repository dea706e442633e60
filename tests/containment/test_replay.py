"""`framemill replay`: what became of a kept frame, in words and in its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.pictures import png
from tests.support.projects import frame
from tests.support.running import CHECKOUT, write_project

CODE = """
import ctypes, os

def main(context):
    print("seen")
    what = context["data"]
    if what == "crash":
        ctypes.string_at(0)
    if what == "leave":
        os._exit(7)
    if what == "hang":
        while True:
            pass
    if what == "raise":
        1 / 0
    if what == "chain":
        try:
            1 / 0
        except ZeroDivisionError as error:
            raise RuntimeError("no recipe") from error
    context["result"] = what != "nok"
    context["form"] = context["imageShape"]
"""
FLOW = '[server]\ndeadline_ms = 1500\n[[flow]]\nmodule = "code"\nfile = "code/act.py"\n'


@pytest.fixture(name="project")
def kept_frame(tmp_path: Path) -> Path:
    """A project with one frame in its quarantine folder, as a server leaves it there."""
    project = write_project(tmp_path / "kept", FLOW, act=CODE)
    folder = project / ".framemill" / "quarantine"
    folder.mkdir(parents=True)
    (folder / "17.frame").write_bytes(bytes(16 * 8))
    asked = {"task": 0, "encoding": 0, "response": 2, "width": 16, "height": 8, "pixel_format": "Mono8"}
    (folder / "17.json").write_text(json.dumps({**asked, "data": "crash"}))
    (folder / "18.frame").write_bytes(b"")
    return project


def replay(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli", "replay", *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.long
@pytest.mark.parametrize(
    ("data", "status", "out", "said"),
    [
        (None, 4, "", "the process died of SIGSEGV"),
        ("leave", 4, "", "exit status 7"),
        ("hang", 4, "", "the frame was not done within 1500 ms"),
        ("", 0, "OK     17.frame\n", ""),
        ("nok", 1, "NOK    17.frame\n", ""),
        ("raise", 1, "NOK    17.frame  division by zero\n", ""),
    ],
)
def test_what_became_of_the_frame_is_said(project: Path, data: str | None, status: int, out: str, said: str) -> None:
    done = replay(project, "17", *([] if data is None else ["--data", data]))
    assert (done.returncode, done.stdout) == (status, out)
    assert said in done.stderr
    if status == 4 and data != "leave":
        assert f'File "{project}/code/act.py", line ' in done.stderr


@pytest.mark.long
def test_an_exception_is_shown_with_all_that_led_to_it(project: Path) -> None:
    done = replay(project, "17", "--data", "chain")
    assert (done.returncode, done.stdout) == (1, "NOK    17.frame  no recipe\n")
    told = done.stderr
    assert told.startswith("module 1 (act) raised RuntimeError:\nTraceback (most recent call last):\n")
    assert told.index("ZeroDivisionError: division by zero") < told.index("direct cause of the following exception")
    assert told.count('  File "code/act.py", line ') == 2
    assert told.endswith("RuntimeError: no recipe\n")


@pytest.mark.long
def test_an_image_file_is_replayed_as_an_encoded_frame(project: Path, tmp_path: Path) -> None:
    (tmp_path / "part.png").write_bytes(png(frame()))
    done = replay(project, tmp_path / "part.png", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["form"] == {"height": 6, "width": 8}
    (tmp_path / "part.png").write_bytes(png(frame())[:-20])
    done = replay(project, tmp_path / "part.png")
    assert (done.returncode, done.stdout.split()[:3]) == (1, ["ERROR", "part.png", "image_invalid:"])


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "said"), [("nothing", "is neither a file nor the name"), ("18", "what was asked of 18.frame")]
)
def test_a_frame_that_is_not_there_is_wrong_use(project: Path, name: str, said: str) -> None:
    done = replay(project, name)
    assert done.returncode == 2
    assert said in done.stderr
