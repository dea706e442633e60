"""One server takes over from another while answers wait for their records: none is refused, lost, or there twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.history.places.place import Place, sqlite_in
from tests.history_under_faults.loaded import await_recorder, check_each_once, place_of, unknown_of
from tests.results.served import Cameras, project_in
from tests.succession.upgrades import line_of_servers
from tests.support.databases.cluster import Cluster

BEFORE = ("--record", "before_answer", "--workers", "1")


@pytest.mark.long
def test_in_sqlite_no_frame_notices(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    _take_over(project, sqlite_in(project / ".framemill"))


@pytest.mark.long
def test_in_postgres_no_frame_notices(cluster: Cluster, tmp_path: Path) -> None:
    project, url = project_in(tmp_path / "p"), cluster.database()
    (project / "url").write_text(url)
    _take_over(project, place_of(url), "--history-url-file", str(project / "url"), "--server-name", "left")


def _take_over(project: Path, place: Place, *options: str) -> None:
    with line_of_servers(project, project.parent / "code", *BEFORE, *options) as line:
        await_recorder(line.server)
        with Cameras(line.server) as cameras:
            cameras.go_on(100)
            line.upgrade()
            cameras.go_on(100)
    assert {told for status, told in cameras.answers.values() if status != 200} == set()
    assert cameras.cut == set()
    rows = check_each_once(place, cameras)
    assert {row.status for row in rows} == {200}
    assert unknown_of(place, "killed") == unknown_of(place, "missed") == []
