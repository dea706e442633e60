"""Who was told what came of a reading may ask for another at once, though the process that read still ends."""

from __future__ import annotations

import selectors
from dataclasses import replace
from pathlib import Path

from tests.support.faults import GIVE_UP_S, until
from tests.support.running import write_project
from workers.change.reading import Reading
from workers.errors import ProjectInvalid
from workers.flow.project import Project, load_project
from workers.pool.to_supervisor import Asked


def test_what_is_asked_for_behind_an_outcome_is_read_at_once_and_as_it_is_to_be(tmp_path: Path) -> None:
    project = load_project(write_project(tmp_path / "p"))
    told: list[str] = []
    living: list[int] = []

    def half_saved() -> Project:
        raise ProjectInvalid("it is half saved")

    def refused(why: str, asked: list[Asked]) -> None:
        told.append(f"{asked[0].who}: {why}")
        assert not reading.is_under_way
        reading.ask(Asked("an override"), lambda: replace(project, name="overridden"))
        reading.ask(Asked("a reload"))
        living.append(len(reading.pids))

    def read(found: Project, asked: list[Asked]) -> None:
        told.append(f"{asked[0].who}: {found.name}")

    with selectors.DefaultSelector() as selector:
        reading = Reading(half_saved, int(GIVE_UP_S * 1000), selector, read, refused)
        reading.ask(Asked("a first reload"))

        def is_over() -> bool:
            for key, _ in selector.select(0.02):
                key.data()
            if len(told) < 2:
                reading.watch()
            return len(told) == 2 and not reading.pids

        until(is_over)
        assert living == [2]  # the one that was refused cannot have ended: its link is still open
        assert told == ["a first reload: it is half saved", "an override: overridden"]
        assert reading.is_under_way  # the reload waits for its turn
        reading.end()
        until(lambda: not [key.data() for key, _ in selector.select(0.02)] and not reading.pids)
