"""The machine fails: full and read-only disks, a clock that jumps. Frames are answered all the same."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from tests.soak.kit.cameras import Cameras
from tests.soak.kit.clock import JumpingClock
from tests.soak.kit.machine import broken_machine, fill, frames, full, read_only, read_only_as_it_is, tiny
from tests.soak.kit.project import soak_project
from tests.support.faults import until
from tests.support.running import Server

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

FRAMES = 10_000
PER_S = 400.0
CRASHES = 5
SEGMENT = "psm_50a4fd11"
WIDTH, HEIGHT = 64, 48


def _says(server: Server, words: str) -> bool:
    return any(words in line for line in server.log)


@pytest.mark.parametrize("how", [full, read_only], ids=lambda how: how.__name__)
def test_on_a_disk_that_takes_nothing_frames_are_answered_and_crashing_ones_too(tmp_path: Path, how: object) -> None:
    project = soak_project(tmp_path / "soak", work_s=0.001)
    state = project / ".framemill"
    state.mkdir()
    prepare = full(str(state)) if how is full else read_only(str(state))
    crashing = range(50, FRAMES - 50, FRAMES // CRASHES)
    with broken_machine(f"state folder {how.__name__}", prepare, project) as run:  # type: ignore[attr-defined]
        with run.cameras(per_s=PER_S, large_every=500, choose=lambda n: "segv" if n in crashing else "mark") as cameras:
            until_sent(cameras, FRAMES)
        run.allow(worker_crashed=CRASHES)
        until(lambda: run.whole)
        with run.client() as client:
            answer = client.put("/api/v1/process", json={"process": False})
            run.figures["switch"] = answer.status_code
            run.expect(answer.status_code == 507, "the switch did not say that it cannot be kept")
            run.expect(client.get("/readyz").status_code == 200, "the switch was thrown all the same")
        run.figures["not_kept"] = run.status()["frames"]["not_kept"]
        crashed = sum(1 for answer in run.answers if answer.code == "worker_crashed")
        run.expect(crashed == run.figures["not_kept"] == CRASHES, f"{crashed} frames crashed")
        run.expect(_says(run.server, "could not be kept"), "nobody was told that a frame was not kept")


def until_sent(cameras: Cameras, frames: int) -> None:
    """Let them work until so many frames are answered."""
    for _ in range(frames):
        cameras.run(0.5)
        if len(cameras.answers) >= frames:
            break


def test_with_a_read_only_tmp_frames_are_answered(tmp_path: Path) -> None:
    project = soak_project(tmp_path / "soak")
    with broken_machine("/tmp is read-only", read_only_as_it_is("/tmp"), project) as run:
        frames(run, 5.0)


def test_with_a_full_dev_shm_frames_are_answered_and_those_of_a_client_in_it_too(tmp_path: Path) -> None:
    # the client was there before it was full
    planted = f"{tiny('/dev/shm')}; printf %{WIDTH * HEIGHT * 3}s > /dev/shm/{SEGMENT}; {fill('/dev/shm')}"
    size = {"width": str(WIDTH), "height": str(HEIGHT)}
    with broken_machine("/dev/shm is full", planted, soak_project(tmp_path / "soak")) as run:
        frames(run, 5.0)
        with run.client() as client:
            for number in range(100):
                params = {"name": SEGMENT, "data": f"mark:{number}:", **size}
                answer = client.post("/analyze_image_shared_memory", params=params)
                seen = answer.json().get("seen", {})
                run.expect(answer.status_code == 200, f"{answer.status_code} {answer.text}")
                run.expect(seen.get("first") == (b" " * 8).hex(), f"it saw {seen}")
        run.expect(run.status()["workers"]["deaths"] == 0, "a worker died")


def test_a_clock_that_jumps_by_an_hour_costs_no_frame(tmp_path: Path) -> None:
    project = soak_project(tmp_path / "soak")
    clock = JumpingClock(tmp_path)
    with broken_machine("clock jumps by an hour", "true", project, env=clock.env) as run:
        with run.cameras() as cameras:
            for hours in (-1, 1, 0, -24, 0):
                cameras.run(2.0)
                clock.jump_to(3600 * hours)
            cameras.run(1.0)
            clock.jump_to(-3600)
            with run.client() as client:
                said = client.get("/livez").headers["date"]
        behind_s = time.time() - parsedate_to_datetime(said).timestamp()
        run.figures["behind_s"] = round(behind_s)
        run.expect(3590 < behind_s < 3660, "the server did not notice: this test tests nothing")
        run.expect(run.status()["workers"]["deaths"] == 0, "a worker died of a clock")
