"""The table [part] of a project: what is wrong with it is said with its key, and editors know it."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.settings import Settings
from tests.support.running import write_project
from workers.errors import ProjectInvalid
from workers.flow.part import MOST_VIEWS, holds
from workers.flow.project import load_project
from workers.flow.schema import project_schema


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("", "part.views: is missing: the views that make a part, each once"),
        ("views = []", "part.views: list should have at least 1 item"),
        ("views = 'top'", "part.views: should be a valid list, got 'top'"),
        ("views = ['top', 'top']", "part: views names 'top' twice"),
        ("views = ['top ']", "part.views[0]: 'top ' has blanks around it"),
        ("views = ['a\\u0000']".replace("'", '"'), "part.views[0]: 'a\\x00' has blanks around it, or what cannot be"),
        (f"views = {[f'v{number}' for number in range(MOST_VIEWS + 1)]}", "part.views: list should have at most 16"),
        ("views = ['a']\nwait_ms = 0", "part.wait_ms: should be greater than or equal to 1, got 0"),
        ("views = ['a']\nwait_ms = '2 s'", "part.wait_ms: should be a valid integer, got '2 s'"),
        ("views = ['a']\nwait = 5", "part.wait: is unknown; known are views, wait_ms, verdict"),
        ("views = ['a', 'b']\nverdict = 'a and'", "part.verdict: "),
        ("views = ['a', 'b']\nverdict = 'a and c'", "part: its verdict does not hold where all views are OK"),
        ("views = ['a', 'b']\nverdict = 'a or not b'", "part: its verdict holds where no view is OK"),
    ],
)
def test_a_mistake_is_said_with_its_key(tmp_path: Path, table: str, said: str) -> None:
    project = write_project(tmp_path / "p", f"[part]\n{table}\n")
    with pytest.raises(ProjectInvalid) as error:
        load_project(project)
    assert said in error.value.message
    assert len(error.value.message.splitlines()) == 1


def test_a_table_without_mistakes_is_read(tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p", "[part]\nviews = ['top', 'side 2']\nverdict = 'top and views[\"side 2\"]'\n"
    )
    part = load_project(project).part
    assert part is not None
    assert (part.views, part.wait_ms) == (["top", "side 2"], 2000)
    assert load_project(write_project(tmp_path / "q", "")).part is None


def test_a_verdict_holds_only_where_it_is_true() -> None:
    views = {"top": True, "left": False}
    assert holds("top or left", views)
    assert not holds("top and left", views)
    assert not holds("1", views)
    assert not holds("'yes'", views)
    assert not holds("nobody", views)


def test_editors_know_it() -> None:
    schema = project_schema(Settings)
    assert schema["properties"]["part"] == {"$ref": "#/definitions/part"}
    assert set(schema["definitions"]["part"]["properties"]) == {"views", "wait_ms", "verdict"}
    assert schema["definitions"]["part"]["required"] == ["views"]
