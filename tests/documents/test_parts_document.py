"""docs/parts.md: its project can be loaded, and its tables and numbers are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

from service.parts.desk.joins import MOST_OPEN
from service.parts.joining import Frame, Part, Seen
from service.parts.plans import PartPlan
from service.parts.resource import MOST_WAITING
from tests.support.running import CHECKOUT, write_project
from workers.flow.part import MOST_VIEW_BYTES, MOST_VIEWS, PartOptions
from workers.flow.project import load_project
from workers.pool.job import MAX_PART_BYTES

DOCUMENT = (CHECKOUT / "docs" / "parts.md").read_text()


def test_its_project_can_be_loaded(tmp_path: Path) -> None:
    (table,) = re.findall(r"```toml\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    part = load_project(write_project(tmp_path / "p", table)).part
    assert part is not None
    assert part.views == ["top", "left", "right"]


def test_its_tables_are_those_of_the_code() -> None:
    keys = re.findall(r"^\| `(\w+)` \|", DOCUMENT, flags=re.MULTILINE)
    assert keys[: len(PartOptions.model_fields)] == [*PartOptions.model_fields]
    assert f"| `wait_ms` | {PartOptions.model_fields['wait_ms'].default} |" in DOCUMENT
    whys = set(re.findall(r"^\| `(\w+)` \|", DOCUMENT.split("| `why` |")[1], flags=re.MULTILINE))
    code = "".join(
        (CHECKOUT / "service" / name).read_text()
        for name in ("parts/joining.py", "parts/desk/joins.py", "analysis/views.py")
    )
    assert whys == {why for why in whys if f'"{why}"' in code}
    one = Part("4711", 1, PartPlan(("top",), 1), 1, 1)
    assert one.verdict(lambda *_: True).why in whys
    one.add("top", Seen("ERROR", Frame(1, 1)))
    assert one.verdict(lambda *_: True).why in whys


def test_its_numbers_are_those_of_the_code() -> None:
    for said in (
        f"{MOST_VIEWS} at most",
        f"name, {MAX_PART_BYTES} bytes at most",
        f"{MOST_VIEW_BYTES} bytes at most",
        f"{MOST_OPEN:,} other parts",
        f"{MOST_WAITING} of each front",
    ):
        assert said in DOCUMENT
