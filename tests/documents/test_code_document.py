"""What docs/code.md shows works as printed, and what it says of the context is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.faults import until
from tests.support.running import CHECKOUT, serving
from workers.context.context import new_context
from workers.errors import FramemillError
from workers.programs.trying import TriedProject

DOCUMENT = (CHECKOUT / "docs" / "code.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", DOCUMENT, flags=re.DOTALL)
COUNT, STATE, SHARED, ROWS, LOGGED, TO_FILE, TEST = PYTHON


def screws(count: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    picture = np.full((120, 200, 3), 220, np.uint8)
    for number in range(count):
        cv2.circle(picture, (30 + 40 * number, 60), 12, (30, 30, 30), -1)
    return picture


@pytest.fixture(name="project")
def screws_project(tmp_path: Path) -> Path:
    folder = tmp_path / "screws"
    (folder / "code").mkdir(parents=True)
    (folder / "framemill.toml").write_text(re.findall(r"```toml\n(.*?)```", DOCUMENT, flags=re.DOTALL)[0])
    (folder / "code" / "count.py").write_text(COUNT)
    return folder


def test_the_first_example_counts(project: Path) -> None:
    tried = TriedProject(project)
    for count in (4, 3):
        context, annotated = tried.inspect(screws(count))
        assert (context["screws"], context["result"]) == (count, count == 4)
        assert len(context["detectedRectangles"]) == count
        assert annotated.shape == (120, 200, 3)
        assert (annotated != screws(count)).any()


def test_the_test_that_it_shows_passes_and_can_fail(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    cv2.imwrite("four_screws.png", screws(4))
    exec(TEST, names)
    names["test_four_screws_are_good"]()
    cv2.imwrite("four_screws.png", screws(3))
    with pytest.raises(AssertionError):
        names["test_four_screws_are_good"]()
    assert project.is_dir()


def test_state_lives_from_frame_to_frame(project: Path) -> None:
    (project / "code" / "count.py").write_text(STATE)
    tried = TriedProject(project)
    assert [tried.inspect(screws(1)).context["seenByThisWorker"] for _ in range(3)] == [1, 2, 3]


def test_rows_are_written_when_it_ends(project: Path) -> None:
    (project / "code" / "count.py").write_text(ROWS)
    tried = TriedProject(project)
    for data in "ab":
        tried.inspect(screws(1), data=data)
    rows = project / "data" / "rows-0.csv"
    assert rows.read_text() == ""
    tried.close()
    assert rows.read_text() == "a,True\nb,True\n"


def test_lines_are_logged_as_shown_to_the_log_and_to_a_file(project: Path) -> None:
    (project / "code" / "screws.py").write_text(COUNT)
    counted = LOGGED.replace(
        "    log.warning", "    screws.main(context, {'expected': 4, 'darker_than': 60})\n    log.warning"
    )
    (project / "code" / "count.py").write_text(f"import screws\n{TO_FILE}{counted}")
    with serving(project, "--workers", "1") as server, server.client() as client:
        _, png = cv2.imencode(".png", screws(2))
        client.post("/analyze_image", content=png.tobytes()).raise_for_status()
        until(lambda: any(re.fullmatch(r"worker \d+: WARNING:count:few screws: 2\n", line) for line in server.log))
    assert (project / "data" / "inspection.log").read_text() == "WARNING:count:few screws: 2\n"


def test_what_is_shared_lives_from_frame_to_frame_too(project: Path) -> None:
    (project / "code" / "count.py").write_text(SHARED)
    tried = TriedProject(project)
    shared = [tried.inspect(screws(1), camera="left").context["globalData"] for _ in range(3)]
    assert [each["parts"] for each in shared] == [1, 2, 3]
    assert [*shared[0]] == ["parts", "last of left"]


LOOK = """
def main(context):
    context["shape"] = list(context["image"].shape)
    context["dtype"] = str(context["image"].dtype)
    context["writeable"] = context["image"].flags.writeable
"""


@pytest.mark.parametrize(
    ("frame", "picture", "shape"),
    [
        ("", np.zeros((20, 30, 3), np.uint8), [20, 30, 3]),
        ("", np.zeros((20, 30), np.uint8), [20, 30, 3]),
        ("grey = true", np.zeros((20, 30), np.uint8), [20, 30]),
        ("grey = true", np.zeros((20, 30, 3), np.uint8), [20, 30]),
        ("reduce = 2", np.zeros((21, 31, 3), np.uint8), [11, 16, 3]),
    ],
)
def test_the_image_is_as_the_table_says(
    project: Path, frame: str, picture: np.ndarray[Any, np.dtype[np.uint8]], shape: list[int]
) -> None:
    (project / "code" / "count.py").write_text(LOOK)
    toml = project / "framemill.toml"
    toml.write_text(toml.read_text().replace("[[flow]]", f"[frame]\n{frame}\n\n[[flow]]"))
    context = TriedProject(project).inspect(picture).context
    assert (context["shape"], context["dtype"], context["writeable"]) == (shape, "uint8", True)


def test_the_table_names_every_key_and_no_other() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| .*\|$", DOCUMENT.partition("## The context")[2], flags=re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    image = np.zeros((2, 2, 3), np.uint8)
    also = {"notes", "damaged", "placement", "verdict", "worker", "frame", "timings", "measures"}
    assert named == new_context(image, "").keys() | also


def test_where_a_client_has_an_error_it_raises(project: Path, tmp_path: Path) -> None:
    (tmp_path / "no_picture.png").write_bytes(b"no picture")
    with pytest.raises(FramemillError, match="no image format"):
        TriedProject(project).inspect(tmp_path / "no_picture.png")
    with pytest.raises(ValueError, match="got \\(4, 4\\) of float64"):
        TriedProject(project).inspect(np.zeros((4, 4)))  # type: ignore[arg-type]
