"""`framemill watch`: somebody saves files, and reads what changed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.cli.images import is_image
from service.compared.watching import Watched
from tests.command_line.tried import JUDGE, NOK, OK, children_of, command, judge, picture
from tests.support.running import CHECKOUT


@dataclass
class Watching:
    """A command that watches."""

    process: subprocess.Popen[str]

    def until(self, words: str) -> list[str]:
        """Read lines until one holds `words`."""
        assert self.process.stdout is not None
        lines: list[str] = []
        while line := self.process.stdout.readline():
            lines.append(line.rstrip())
            if words in line:
                return lines
        raise AssertionError(f"it ended without {words!r}: {lines}")

    def interrupt(self) -> str:
        """Press Ctrl-C; return what it says then."""
        self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)[0]


@contextmanager
def watching(*arguments: object) -> Iterator[Watching]:
    process = subprocess.Popen(
        command("watch", *arguments),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield Watching(process)
    finally:
        process.kill()
        process.communicate()


def save(path: Path, text: str) -> None:
    """Save as editors do, at once: what is half written is never there."""
    beside = path.with_name(f".{path.name}")
    beside.write_text(text)
    beside.rename(path)


@pytest.mark.long
def test_it_runs_again_on_save_and_says_what_changed(tmp_path: Path) -> None:
    project = judge(tmp_path / "p", "workers = 1\n")
    parts = tmp_path / "parts"
    for name, mark in (("a.png", OK), ("b.png", NOK), ("c.png", OK)):
        picture(parts / name, mark)
    code = project / "code" / "judge.py"
    with watching(project, parts) as seen:
        first = seen.until("3 frames")
        assert [line.split()[0] for line in first] == ["NOK", "3"]

        save(code, JUDGE.replace("mark == 10", "mark == 20"))
        said = seen.until("frames")
        assert said[1] == "saved: code/judge.py"
        assert [line.split()[:3] for line in said[2:5]] == [
            ["OK", "->", "NOK"],
            ["NOK", "->", "OK"],
            ["OK", "->", "NOK"],
        ]
        assert said[5] == "3 frames: 1 OK, 2 NOK; 3 verdicts changed"

        picture(tmp_path / "d.png", NOK).rename(parts / "d.png")
        assert any("new -> OK" in line and "d.png" in line for line in seen.until("4 frames"))

        (parts / "d.png").unlink()
        assert any("OK -> gone" in line for line in seen.until("3 frames"))

        save(code, "def main(context)\n")
        assert "code/judge.py: line 1" in seen.until("line 1")[-1]

        save(code, JUDGE)
        assert seen.until("3 frames")[-1] == "3 frames: 2 OK, 1 NOK; 3 verdicts changed"

        for path in list(parts.iterdir()):
            path.rename(tmp_path / path.name)
        seen.until("has no images in it")
        for name in ("a.png", "b.png", "c.png"):
            (tmp_path / name).rename(parts / name)
        seen.until("3 frames: 2 OK, 1 NOK")

        save(code, f"{JUDGE}\n# a remark\n")
        assert seen.until("3 frames")[-1] == "3 frames: 2 OK, 1 NOK; no verdicts changed"
        assert children_of(seen.process.pid) == []
        # a line that Python was about to print when the signal came may come twice
        assert re.match(r"framemill: watched \d+ runs\n", seen.interrupt())
        assert seen.process.returncode == 0


def test_ctrl_c_in_a_run_ends_it_with_one_line_and_leaves_no_process(tmp_path: Path) -> None:
    # the file says that the frame is at work, which then never ends
    code = "import pathlib\ndef main(context):\n    pathlib.Path('/proc/self/fd/2').open('w')\n    while True: pass\n"
    project = judge(tmp_path / "p", "workers = 1\n")
    (project / "code" / "judge.py").write_text(code.replace("/proc/self/fd/2", str(tmp_path / "at work")))
    os.mkfifo(tmp_path / "at work")
    picture(tmp_path / "parts" / "a.png", OK)
    with watching(project, tmp_path / "parts") as seen:
        (tmp_path / "at work").open().close()  # waits for the other side
        children = children_of(seen.process.pid)
        assert children
        assert seen.interrupt() == "framemill: watched 0 runs\n"
        for pid in children:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


@pytest.mark.parametrize(
    ("path", "counts"),
    [
        ("p/framemill.toml", True),
        ("p/code/deep/er.py", True),
        ("p/references/a.png", True),
        ("parts/a.png", True),
        ("single/one.png", True),
        ("p/data/log.csv", False),
        ("p/.framemill/switch", False),
        ("p/code/__pycache__/judge.cpython-311.pyc", False),
        ("p/code/.judge.py.swp", False),
        ("p/code/judge.py~", False),
        ("parts/notes.txt", False),
        ("parts/.hidden.png", False),
        ("parts/deep/a.png", False),
        ("single/two.png", False),
    ],
)
def test_what_counts_as_saved(path: str, counts: bool) -> None:
    root = Path("/line")
    pictures = [root / "parts", root / "single" / "one.png"]
    watched = Watched(root / "p", root / "p" / "data", pictures, is_image)
    assert watched.counts(root / path) is counts


def test_pictures_in_the_data_folder_count_where_they_are_asked_for() -> None:
    watched = Watched(Path("/p"), Path("/p/data"), [Path("/p/data/parts")], is_image)
    assert watched.counts(Path("/p/data/parts/a.png"))
    assert not watched.counts(Path("/p/data/a.png"))
