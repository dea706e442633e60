"""While one server takes over from another a part that is under way is an error at worst, and on record in both."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.history.kept import printed
from tests.parts.served import VIEWS, asked, project_in, view, words
from tests.succession.upgrades import line_of_servers
from tests.support.faults import until
from tests.support.running import Server


@pytest.mark.long
def test_a_part_that_is_under_way_is_never_ok_and_the_next_one_is_joined(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p", 'views = ["top", "left", "right"]\nwait_ms = 60000')
    with line_of_servers(project, tmp_path / "code", "--record", "async") as line:
        server = line.server
        view(server, "under way", "top")
        line.upgrade()
        for name in VIEWS[1:]:
            assert "partResult" not in view(server, "under way", name).json()
        told = asked(server, "under way")
        assert (told["state"], words(told)) == ("open", [None, "OK", "OK"])
        answers = [view(server, "whole", name).json() for name in VIEWS]
        assert answers[2]["partResult"]["verdict"] == "OK"
        line.end()
        until(lambda: len(_parts_of(server, "under way")) == 2)
        assert _parts_of(server, "under way") == [
            ("ERROR", "ended", ["MISSING", "OK", "OK"]),
            ("ERROR", "ended", ["OK", "MISSING", "MISSING"]),
        ]
        assert _parts_of(server, "whole") == [("OK", None, ["OK"] * 3)]


def _parts_of(server: Server, part: str) -> list[tuple[str, str | None, list[str]]]:
    found = printed(server, "--part", part)
    return [(one["verdict"], one["why"], words(one)) for one in found if one["kind"] == "part"]
