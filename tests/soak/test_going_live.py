"""A hundred reloads and rollbacks under a hundred small frames a second: none is lost or late, all are in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.going_live.proved import GOOD, ask, edition, part, proved_project, save
from tests.soak.kit.report import report
from tests.support.running import Server, serving

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

SWITCHES = 100
PER_S = 100
CAMERAS = 8
_CALM_S = 20.0
_BETWEEN_S = 0.3
_WAITS = "    import time\n    time.sleep(0.01)\n"


@dataclass(slots=True)
class _Camera:
    """One connection: each answer with when its frame was sent, in seconds, how long it took, and its version."""

    server: Server
    over: threading.Event
    phase_s: float
    seen: list[tuple[float, float, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def work(self) -> None:
        frame, turn = part(GOOD), 0
        begun_s = time.monotonic() + self.phase_s
        with self.server.client() as client:
            while not self.over.wait(max(0.0, begun_s + turn * CAMERAS / PER_S - time.monotonic())):
                turn += 1
                sent_s = time.monotonic()
                try:
                    answer = client.post("/analyze_image", content=frame)
                except httpx.HTTPError as error:
                    self.lost.append(repr(error))
                    continue
                if answer.status_code == 200:
                    self.seen.append((sent_s, time.monotonic() - sent_s, answer.json()["flowVersion"]))
                else:
                    self.lost.append(answer.text)


def test_a_hundred_switches_under_a_hundred_frames_a_second_lose_none(tmp_path: Path) -> None:
    project = proved_project(tmp_path / "p", edition(1, _WAITS))
    over = threading.Event()
    with serving(project) as server:
        cameras = [_Camera(server, over, number / PER_S) for number in range(CAMERAS)]
        threads = [threading.Thread(target=camera.work) for camera in cameras]
        for thread in threads:
            thread.start()
        time.sleep(_CALM_S)
        switched_s = time.monotonic()
        versions, went_back = [server.status()["flowVersion"]], 0
        for number in range(SWITCHES):
            back = number % 3 == 2
            if not back:
                save(project, edition(number + 2, _WAITS))
            answer = ask(server, "rollback" if back else "reload")
            assert answer.status_code == 200, answer.text
            versions.append(answer.json()["flowVersion"])
            went_back += back
            time.sleep(_BETWEEN_S)
        done_s = time.monotonic()
        over.set()
        for thread in threads:
            thread.join()
        deaths = server.status()["workers"]["deaths"]
    lost = [each for camera in cameras for each in camera.lost]
    before_ms = [took * 1000 for c in cameras for sent, took, _ in c.seen if sent < switched_s]
    under_ms = [took * 1000 for c in cameras for sent, took, _ in c.seen if switched_s <= sent < done_s]
    out_of_order = sum(not _in_order([version for *_, version in camera.seen], versions) for camera in cameras)
    p99 = [round(sorted(took)[len(took) * 99 // 100], 1) for took in (before_ms, under_ms)]
    figures = {
        "switches": SWITCHES,
        "rollbacks": went_back,
        "frames": len(under_ms),
        "lost": len(lost),
        "deaths": deaths,
    }
    figures |= {"p99_ms_before": p99[0], "p99_ms": p99[1], "longest_ms": round(max(under_ms), 1)}
    figures |= {
        "median_ms_before": round(sorted(before_ms)[len(before_ms) // 2], 1),
        "seconds": round(done_s - switched_s),
    }
    broken = [f"lost: {lost[:3]}"] if lost else []
    broken += [f"{out_of_order} cameras saw an older version after a newer one"] if out_of_order else []
    broken += [f"p99 {p99[1]} ms, {p99[0]} ms before"] if p99[1] > 2 * p99[0] else []
    report("100 reloads and rollbacks, 100 frames/s", figures, broken)
    assert not broken, broken


def _in_order(seen: Sequence[str], versions: Sequence[str]) -> bool:
    """Whether what a camera saw, without repetitions, comes in the order of the switches."""
    order = [each for place, each in enumerate(seen) if place == 0 or seen[place - 1] != each]
    places = iter(versions)
    return all(any(each == version for version in places) for each in order)
