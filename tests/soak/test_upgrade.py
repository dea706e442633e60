"""Twenty new versions and ten broken ones, one after the other, under load: nobody notices but the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.kit.cameras import Cameras
from tests.soak.kit.census import take_census
from tests.soak.kit.project import soak_project
from tests.soak.kit.report import report, summary
from tests.succession.upgrades import Line, line_of_servers
from tests.support.faults import until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

UPGRADES = 20
BROKEN = 10
_MORE_KIB = 30_000  # what servers of the same kind differ by, having answered other frames


def _fail_to_follow(line: Line) -> None:
    failed = line.said("this one goes on")
    line.install_broken()
    line.ask()
    until(lambda: line.said("this one goes on") > failed)


def test_versions_that_follow_one_another_under_load_lose_no_frame(tmp_path: Path) -> None:
    broken: list[str] = []
    with (
        line_of_servers(soak_project(tmp_path / "p"), tmp_path / "code", "--fronts", "2") as line,
        Cameras(line.server.port) as cameras,
    ):
        normal = summary(cameras.run(5.0))
        before = take_census(line.pid)
        for number in range(1, UPGRADES + 1):
            if number % 2 == 0 and number <= 2 * BROKEN:
                _fail_to_follow(line)
            line.install_next()
            line.upgrade()
            assert line.version == number
            cameras.run(0.5)
        until(lambda: not take_census(line.pid).grown_since(before, allowed_kib=_MORE_KIB))
        cameras.run(1.0)
    lost = [answer for answer in cameras.answers if answer.status != 200 or answer.wrong]
    broken += [f"{len(lost)} frames were lost, as {lost[0]}"] if lost else []
    figures = {"upgrades": UPGRADES, "broken_versions": BROKEN, "normal_p99_ms": normal["p99_ms"]}
    report("20 upgrades, 10 broken", figures | summary(cameras.answers), broken)
    assert not broken, "\n".join(broken)
