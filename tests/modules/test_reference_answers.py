"""The module `reference`: what it says in the context, and where it cannot compare."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from tests.modules.boards import (
    Module,
    covers,
    drawn_board,
    judge,
    patched,
    reference_module,
    references,
)
from tests.modules.pages import example, page, table
from workers.context.context import new_context
from workers.context.run import Run
from workers.errors import ProjectInvalid
from workers.modules.reference.golden_files import GoldenFiles
from workers.modules.reference.options import ReferenceOptions


@pytest.fixture
def board(tmp_path: Path) -> Module:
    return reference_module(references(tmp_path, board=drawn_board()))


# what the context says


def test_a_rectangle_has_every_field_in_plain_types(board: Module) -> None:
    # the defect touches the corner, where the rectangle must not leave the frame
    bad = patched(drawn_board(), 610, 0, 30, 30, (0, 0, 0))
    context = judge(board, bad)
    (rectangle,) = context["detectedRectangles"]
    assert set(rectangle) == {
        *("id", "x", "y", "width", "height", "rotate", "area", "confidence", "classNames", "source"),
    }
    assert rectangle["source"] == {"modelId": 0, "moduleId": 7, "type": "UNSUPERVISED"}
    (name,) = rectangle["classNames"]
    assert set(name) == {"id", "label", "confidence", "color", "color_bgr"}
    blue, green, red = name["color_bgr"]
    assert name["color"] == f"#{red:02x}{green:02x}{blue:02x}"
    assert 0.5 <= rectangle["confidence"] <= 1
    assert rectangle["y"] >= 0
    assert rectangle["x"] + rectangle["width"] <= 640
    public = {key: context[key] for key in ("detectedRectangles", "score", "threshold", "result", "errors")}
    assert json.loads(json.dumps(public)) == public


def test_heat_crosses_the_threshold_just_where_the_defect_is(board: Module) -> None:
    context = judge(board, patched(drawn_board(), 300, 110, 14, 10, (90, 180, 220)))
    (heat,) = context["heatmaps"]
    assert heat.dtype == np.float32
    assert heat.shape == (512, 640)
    assert heat.min() == 0
    assert context["score"] == heat.max() <= 1
    y, x = np.nonzero(heat >= context["threshold"])
    (rectangle,) = context["detectedRectangles"]
    assert all(covers(rectangle, *point) for point in zip(x.tolist(), y.tolist(), strict=True))
    assert rectangle["area"] == x.size


def test_what_earlier_modules_found_stays(board: Module) -> None:
    context = new_context(patched(drawn_board(), 300, 110, 14, 10, (0, 0, 0)), "board")
    context["detectedRectangles"].append({"id": 41})
    context["heatmaps"].append(np.zeros((512, 640), np.float32))
    board(context, Run.start(2**62))
    assert [rectangle["id"] for rectangle in context["detectedRectangles"]] == [41, 42]
    assert len(context["heatmaps"]) == 2


def test_a_later_frame_changes_nothing_of_an_earlier_answer(tmp_path: Path) -> None:
    small = drawn_board()[:300, :400].copy()
    module = reference_module(references(tmp_path, board=drawn_board(), small=small))
    bad = patched(drawn_board(), 300, 110, 14, 10, (0, 0, 0))
    first = judge(module, bad)
    heat = first["heatmaps"][0].copy()
    judge(module, small, "small")
    judge(module, drawn_board())
    again = judge(module, bad)
    assert np.array_equal(first["heatmaps"][0], heat)
    assert np.array_equal(again["heatmaps"][0], heat)
    assert again["detectedRectangles"] == first["detectedRectangles"]


# where it cannot compare


def _refused(context: dict[str, Any]) -> str:
    assert context["result"] is False
    assert context["error"] is True
    # no later module may call it OK
    assert context["exit"] is True
    assert context["heatmaps"] == []
    (entry,) = context["errors"]
    assert entry["module"] == "reference"
    return str(entry["message"])


@pytest.mark.parametrize("data", ["", "..", "../board", "a/b", "a\\b", "board\0", "None", "boar", "\udc80", "x" * 5000])
def test_an_unknown_or_unsafe_name_is_an_error_of_that_frame(tmp_path: Path, data: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    references(tmp_path, board=drawn_board())
    module = reference_module(references(inside, board=drawn_board()))
    message = _refused(judge(module, drawn_board(), data))
    assert "golden image" in message
    assert str(tmp_path) not in message
    assert len(message) < 300
    assert judge(module, drawn_board())["result"] is True


def test_a_link_out_of_the_project_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    references(tmp_path, secret=drawn_board())
    module = reference_module(references(inside, board=drawn_board()))
    (inside / "secret.png").symlink_to(tmp_path / "secret.png")
    assert "no golden image 'secret.png'" in _refused(judge(module, drawn_board(), "secret"))


def test_what_is_no_file_is_no_golden_image(tmp_path: Path) -> None:
    module = reference_module(references(tmp_path, board=drawn_board()))
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    for data in ("folder", "loop", "pipe"):
        assert "that can be read" in _refused(judge(module, drawn_board(), data))


def test_a_damaged_golden_image_is_an_error_of_that_frame(tmp_path: Path) -> None:
    module = reference_module(references(tmp_path, board=drawn_board()))
    (tmp_path / "torn.png").write_bytes((tmp_path / "board.png").read_bytes()[:1000])
    assert "'torn.png'" in _refused(judge(module, drawn_board(), "torn"))


def test_a_frame_of_another_size_is_an_error_that_names_both(board: Module) -> None:
    message = _refused(judge(board, drawn_board()[:500]))
    assert "640 x 500" in message
    assert "640 x 512" in message


def test_a_project_without_its_golden_image_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ProjectInvalid, match=r"^image: .*'references/none\.png'"):
        reference_module(tmp_path, "references/none.png")
    with pytest.raises(ProjectInvalid, match=r"^image: no file .*references/\{data\}\.png"):
        reference_module(tmp_path, "references/{data}.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ProjectInvalid, match=r"^image: .*'text\.png'"):
        reference_module(tmp_path, "text.png")


@pytest.mark.parametrize(
    "wrong",
    [
        {"image": "/etc/golden.png"},
        {"image": "../golden.png"},
        {"image": ""},
        {"image": "a.png", "edge_jitter_px": 0},
        {"image": "a.png", "shift_px": 9},
        {"image": "a.png", "contrast_levels": 128},
        {"image": "a.png", "min_area_px": 0},
        {"image": "a.png", "min_area_px": 2.5},
        {"image": "a.png", "tolerance": 3},
    ],
)
def test_options_out_of_range_are_mistakes(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReferenceOptions(module="reference", **wrong)


# its page


def test_the_example_of_the_page_runs(tmp_path: Path) -> None:
    (tmp_path / "references").mkdir()
    references(tmp_path / "references", board=drawn_board())
    tried = example("reference", tmp_path)
    assert tried.inspect(drawn_board()).context["result"] is True
    context = tried.inspect(patched(drawn_board(), 300, 110, 14, 10, (90, 180, 220))).context
    assert context["result"] is False
    (rectangle,) = context["detectedRectangles"]
    assert covers(rectangle, 307, 115)


def test_the_page_says_what_the_options_are() -> None:
    assert table(ReferenceOptions) in page("reference")


# golden images in memory


def _files(folder: Path, **limits: int) -> GoldenFiles:
    for name in ("a", "b", "c"):
        cv2.imwrite(str(folder / f"{name}.png"), drawn_board()[:64, :64])
    return GoldenFiles(ReferenceOptions(module="reference", image="{data}.png"), folder, **limits)


def test_a_golden_image_is_read_once(tmp_path: Path) -> None:
    files = _files(tmp_path)
    golden = files.golden("a")
    (tmp_path / "a.png").unlink()
    assert files.golden("a") is golden


@pytest.mark.parametrize("limit", ["number", "bytes"])
def test_the_least_recently_used_golden_image_gives_way(tmp_path: Path, limit: str) -> None:
    size = _files(tmp_path).golden("a").n_bytes
    files = _files(tmp_path, **({"kept": 2} if limit == "number" else {"kept_bytes": 2 * size}))
    a, b = files.golden("a"), files.golden("b")
    assert files.golden("a") is a
    files.golden("c")
    assert files.golden("a") is a
    assert files.golden("b") is not b


def test_a_golden_image_larger_than_the_bound_is_used_all_the_same(tmp_path: Path) -> None:
    files = _files(tmp_path, kept_bytes=1)
    assert files.golden("a") is files.golden("a")


def test_a_folder_of_golden_images_may_be_named_by_data(tmp_path: Path) -> None:
    (tmp_path / "type [1]").mkdir()
    shutil.copy(references(tmp_path, board=drawn_board()) / "board.png", tmp_path / "type [1]" / "golden.png")
    module = reference_module(tmp_path, "type [1]/{data}.png")
    assert judge(module, drawn_board(), "golden")["result"] is True
