"""`framemill bench` as its users meet it: real servers, small frames, short steps; no figure is judged."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.trial.search import Found, rising_load
from service.trial.step import LoadStep
from tests.clients.guests import add_key
from tests.image_files.encoded import ihdr
from tests.image_files.encoded import png as png_of
from tests.support.pictures import png
from tests.support.running import CHECKOUT, write_project
from workers.pixels.camera_frames import bayer_rg8

SHORT = ("--takt-ms", "20", "--step-s", "0.2", "--max-cameras", "4")
CODE = '[[flow]]\nmodule = "code"\nfile = "code/step.py"\n'
STEP = LoadStep(1, 25.0, 25.0, 1.0, 2.0, 3.0, 125, 0, 0, "", 0.1, 0.1)
SMALL = {"FRAMEMILL_MAX_FRAME_MIB": "1", "FRAMEMILL_MAX_REPLY_MIB": "1"}  # memory that is quickly taken
MARK = "FRAMEMILL_PYTHON"  # a name that the settings leave alone: children inherit it, and are found by its value


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "service.cli", "bench", *map(str, arguments)]


def bench(*arguments: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=CHECKOUT,
        env={**os.environ, **SMALL, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def left(mark: str) -> list[str]:
    """The command lines of all processes that inherited `mark`."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:  # it ended just now
            continue
    return found


@pytest.fixture
def image(tmp_path: Path, scene: NDArray[np.uint8]) -> Path:
    path = tmp_path / "part.png"
    path.write_bytes(png(scene))
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "bare")


@pytest.mark.long
def test_it_answers_in_a_sentence_below_a_table(tmp_path: Path, project: Path, scene: NDArray[np.uint8]) -> None:
    for name, picture in (("a.png", scene), ("b.png", scene[:20, :30])):
        (tmp_path / name).write_bytes(png(picture))
    done = bench(project, tmp_path, "--takt-ms", 100, "--step-s", 1, "--max-cameras", 1, "--as", "raw")
    assert (done.returncode, done.stderr) == (0, "")
    table, _, said = done.stdout.partition("\n\n")
    assert table.splitlines()[0].split()[:2] == ["cameras", "frames/s"]
    assert [row.split()[:2] for row in table.splitlines()[1:3]] == [["1", "all"], ["1", "10"]]
    assert re.match(
        r"With project 'bare' and 2 frames \(30x20 to 64x48, raw BGR\) this machine sustains 10 frames/s at "
        r"p99 [0-9.]+ ms: 1 camera, one frame each 100 ms\.\n",
        said,
    )
    assert "may sustain more than --max-cameras" in said
    assert re.search(r"As fast as answers come, with \d+ cameras: \d+ frames/s at p99 [0-9.]+ ms\.", said)


@pytest.mark.long
def test_scripts_get_one_document_that_agrees_with_itself(tmp_path: Path, project: Path, image: Path) -> None:
    env = {"FRAMEMILL_API_KEY": "s3cret", "TMPDIR": str(tmp_path / "tmp"), MARK: str(tmp_path)}
    (tmp_path / "tmp").mkdir()
    done = bench(project, image, *SHORT, "--workers", 1, "--as", "bayer", "--json", env=env)
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["sustained"] else 1), done.stderr
    assert found["frames"] == [{"kind": "BayerRG8", "width_px": 64, "height_px": 48, "bytes": 64 * 48}]
    assert (found["project"], found["workers"], found["ceiling"]["cameras"]) == ("bare", 1, 2)
    assert {"processor", "cores", "memory_gib", "kernel"} <= found["machine"].keys()
    for step in [found["alone"], *found["steps"], found["ceiling"]]:
        assert step["errors"] == 0, step["first_error"]
        assert step["p50_ms"] <= step["p99_ms"] <= step["p999_ms"]
        assert step["frames"] > 0
        assert step["server_cores"] >= 0
    sustained = (found["sustained"] or {"cameras": 0})["cameras"]
    assert sustained <= max(step["cameras"] for step in found["steps"]) <= 4
    assert sustained == 4 or found["first_failed"]["cameras"] == sustained + 1
    assert list((tmp_path / "tmp").iterdir()) == []
    assert left(str(tmp_path)) == []


@pytest.mark.long
def test_a_server_with_keys_of_clients_is_measured_with_one_of_its_own(
    tmp_path: Path, project: Path, image: Path
) -> None:
    add_key("camera", "analyze", tmp_path / "keys.toml")
    env = {"FRAMEMILL_KEYS_FILE": str(tmp_path / "keys.toml")}
    done = bench(project, image, "--takt-ms", 20, "--step-s", 0.3, "--max-cameras", 1, env=env)
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_a_flow_that_is_slower_than_the_takt_is_told_with_the_takt_that_would_do(tmp_path: Path, image: Path) -> None:
    slow = "import time\ndef main(context): time.sleep(0.03)\n"
    done = bench(write_project(tmp_path / "slow", CODE, step=slow), image, *SHORT)
    assert done.returncode == 1
    assert "does not sustain one camera with a frame each 20 ms" in done.stdout
    takt = re.search(r"a takt of (\d+) ms would do", done.stdout)
    assert takt is not None
    assert int(takt[1]) >= 30


@pytest.mark.long
@pytest.mark.parametrize(
    ("form", "toml", "content", "words"),
    [
        ("file", "", png_of(ihdr(8, 8), b"not a zlib stream"), "422 the PNG's compressed pixels are damaged"),
        ("file", "", b"BM no picture", "accepted are jpeg, png"),
        ("raw", "", png(np.zeros((600, 800, 3), np.uint8)), "413 the body has 1440000"),
        ("raw", CODE, png(np.zeros((20, 30, 3), np.uint8)), "the flow fails: division by zero (code/step.py, line 1)"),
    ],
)
def test_a_frame_that_cannot_be_inspected_is_no_measurement(
    tmp_path: Path, form: str, toml: str, content: bytes, words: str
) -> None:
    (tmp_path / "bad.png").write_bytes(content)
    project = write_project(tmp_path / "p", toml, step="def main(context): 1 / 0\n")
    done = bench(project, tmp_path / "bad.png", "--as", form, *SHORT)
    assert (done.returncode, done.stdout) == (1, "")
    assert "bad.png: " in done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.long
def test_frames_are_what_their_patterns_say(tmp_path: Path, scene: NDArray[np.uint8]) -> None:
    """One of which something else is said fails, and so it is no measurement."""
    judge = """
def main(context):
    about = context["frame"]
    said = f"{context['data']} {about['camera']} {about['view']}"
    if said not in ("lot left cam parts left", "lot top cam parts top"):
        raise ValueError(said)
"""
    project = write_project(tmp_path / "p", f'[part]\nviews = ["left", "top"]\n{CODE}', step=judge)
    parts = tmp_path / "parts"
    parts.mkdir()
    for view in ("left", "top"):
        (parts / f"{view}.png").write_bytes(png(scene))
    said = ("--data", "lot {stem}", "--camera", "cam {folder}", "--view", "{stem}")
    for way in ((), ("--as", "raw"), ("--modules",)):
        done = bench(project, parts, *said, *way, *SHORT)
        assert done.returncode == 0, done.stderr
    wrong = bench(project, parts, *said[:-1], "left", *SHORT)
    assert (wrong.returncode, "the flow fails: lot top cam parts left" in wrong.stderr) == (1, True)
    wrong = bench(project, parts, "--view", "front", *SHORT)
    said_of_it = "framemill: --view='front' is no view of a part; expected one of left, top\n"
    assert (wrong.returncode, wrong.stderr) == (3, said_of_it)


@pytest.mark.long
def test_mistakes_of_project_and_settings_keep_the_status_they_have_elsewhere(tmp_path: Path, image: Path) -> None:
    bad = write_project(tmp_path / "bad", '[[flow]]\nmodule = "cod"\n')
    for arguments, words in (
        ((bad,), "flow[0].module"),
        ((write_project(tmp_path / "p"), "--workers", "0"), "--workers"),
        ((write_project(tmp_path / "c", CODE, step="1/0\ndef main(context): pass"),), "code/step.py"),
    ):
        done = bench(*arguments, image)
        assert (done.returncode, done.stdout) == (3, "")
        assert words in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.long
def test_a_server_that_has_too_little_memory_is_told_as_serve_tells_it(project: Path, image: Path) -> None:
    done = bench(project, image, env={"FRAMEMILL_MAX_FRAME_MIB": "1024", "FRAMEMILL_SLOTS": "200"})
    assert done.returncode == 4
    assert "max_frame_mib" in done.stderr


@pytest.mark.long
def test_a_step_too_short_for_its_takt_is_wrong_use(project: Path, image: Path) -> None:
    done = bench(project, image, "--takt-ms", 100, "--step-s", 0.5)
    assert done.returncode == 2
    assert "--step-s" in done.stderr


@contextmanager
def under_load(tmp_path: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The command, once it has measured its first step."""
    process = subprocess.Popen(
        command(*arguments),
        cwd=CHECKOUT,
        env={**os.environ, **SMALL, "TMPDIR": str(tmp_path / "tmp"), MARK: str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # a shell that runs the tests in the background has SIGINT ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - one call, no lock
    )
    assert process.stdout is not None
    with process:
        process.stdout.readline()
        assert process.stdout.readline()
        yield process


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "status", "said"),
    [
        (signal.SIGINT, 130, "framemill: interrupted; the server that was measured is stopped\n"),
        (signal.SIGTERM, 143, ""),
    ],
)
def test_it_stops_its_server_when_it_is_stopped(
    tmp_path: Path, project: Path, image: Path, number: int, status: int, said: str
) -> None:
    (tmp_path / "tmp").mkdir()
    with under_load(tmp_path, project, image, *SHORT) as process:
        assert left(str(tmp_path))
        process.send_signal(number)
        assert (process.communicate()[1], process.returncode) == (said, status)
    assert left(str(tmp_path)) == []
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.long
def test_its_server_does_not_outlive_it(tmp_path: Path, project: Path, image: Path) -> None:
    (tmp_path / "tmp").mkdir()
    with under_load(tmp_path, project, image, *SHORT) as process:
        process.kill()
        process.communicate()
    while left(str(tmp_path)):
        pass


def _limit(cameras: int, tried: list[int]) -> Callable[[int], LoadStep]:
    def measure(wanted: int) -> LoadStep:
        tried.append(wanted)
        return replace(STEP, cameras=wanted, why="too much" if wanted > cameras else "")

    return measure


@pytest.mark.long
@pytest.mark.parametrize(("limit", "most"), [(0, 8), (1, 8), (5, 64), (6, 6), (7, 8), (23, 256), (300, 256)])
def test_the_search_ends_at_the_limit(limit: int, most: int) -> None:
    tried: list[int] = []
    found = Found(STEP, list(rising_load(_limit(limit, tried), most)), STEP)
    sustained = found.sustained.cameras if found.sustained else 0
    assert sustained == min(limit, most)
    assert (found.first_failed.cameras if found.first_failed else most + 1) == sustained + 1
    assert max(tried) <= most


@pytest.mark.long
def test_one_pause_of_the_machine_does_not_decide_but_one_lost_frame_does() -> None:
    def measured(**first: Any) -> list[LoadStep]:
        answers = [replace(STEP, why="p99 50 ms", **first)]
        return list(rising_load(lambda cameras: replace(answers.pop() if answers else STEP, cameras=cameras), 2))

    assert Found(STEP, measured(), STEP).sustained == replace(STEP, cameras=2)
    assert Found(STEP, measured(errors=1), STEP).sustained is None


@pytest.mark.long
def test_a_mosaic_holds_the_colours_where_the_sensor_has_them() -> None:
    blue, green, red = 1, 2, 3
    image = np.full((2, 4, 3), (blue, green, red), np.uint8)
    assert bayer_rg8(image).tolist() == [[red, green, red, green], [green, blue, green, blue]]
