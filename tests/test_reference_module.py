"""The module `reference`: what it forgives, what it finds, and what it says where it cannot compare."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from workers.errors import ProjectInvalid
from workers.flow.context import new_context
from workers.flow.modules.golden_files import GoldenFiles
from workers.flow.modules.reference import prepare
from workers.flow.modules.reference_options import ReferenceOptions

Image = NDArray[np.uint8]
Module = Callable[[dict[str, Any]], None]


def _read(path: Path) -> Image:
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return cast("Image", image)


def _board(colour: tuple[int, int, int] = (40, 110, 30)) -> Image:
    """Draw a small board, 640x512 BGR: wide and thin traces, pads and text."""
    image = np.full((512, 640, 3), colour, np.uint8)
    copper = (90, 180, 220)
    for y in range(60, 460, 80):
        cv2.line(image, (40, y), (600, y), copper, 12)
        cv2.line(image, (40, y + 30), (600, y + 30), copper, 4)
        for x in range(60, 600, 120):
            cv2.circle(image, (x, y), 18, copper, -1)
            cv2.circle(image, (x, y), 7, (20, 20, 20), -1)
    cv2.putText(image, "REV A", (250, 500), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (230, 230, 230), 2)
    return image


def _project(folder: Path, **goldens: Image) -> Path:
    for name, image in goldens.items():
        assert cv2.imwrite(str(folder / f"{name}.png"), image)
    return folder


def _module(folder: Path, image: str = "{data}.png", **options: Any) -> Module:
    return prepare(ReferenceOptions(module="reference", image=image, **options), folder, 7)


def _judge(module: Module, image: Image, data: str = "board") -> dict[str, Any]:
    frame = image.copy()
    frame.flags.writeable = False
    context = new_context(frame, data)
    module(context)
    return context


def _shifted(image: Image, dx: float, dy: float) -> Image:
    size = (image.shape[1], image.shape[0])
    matrix = np.array([[1, 0, dx], [0, 1, dy]], float)
    return cast("Image", cv2.warpAffine(image, matrix, size, borderValue=(128, 128, 128)))


def _lit(image: Image, gain: float, offset: float = 0.0) -> Image:
    lit: Image = np.clip(np.rint(image * gain + offset), 0, 255).astype(np.uint8)
    return lit


def _noisy(image: Image, sigma: float) -> Image:
    noise = np.random.default_rng(5).normal(0, sigma, image.shape)
    return np.clip(np.rint(image + noise), 0, 255).astype(np.uint8)


def _jpeg(image: Image, quality: int) -> Image:
    done, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done
    return cast("Image", cv2.imdecode(encoded, cv2.IMREAD_COLOR))


GOOD: dict[str, Callable[[Image], Image]] = {
    "the golden image itself": lambda image: image,
    "1 px to the right": lambda image: _shifted(image, 1, 0),
    "2 px up": lambda image: _shifted(image, 0, -2),
    "3 px to the left and down": lambda image: _shifted(image, -3, 3),
    "between pixels": lambda image: _shifted(image, 2.5, -1.5),
    "15 percent brighter": lambda image: _lit(image, 1.15),
    "15 percent darker": lambda image: _lit(image, 0.85),
    "less contrast on a veil": lambda image: _lit(image, 0.8, 25),
    "noise": lambda image: _noisy(image, 6),
    "jpeg": lambda image: _jpeg(image, 85),
    "all at once": lambda image: _jpeg(_noisy(_lit(_shifted(image, 3, -2), 0.87, 5), 5), 85),
}


def _patched(image: Image, x: int, y: int, width: int, height: int, colour: tuple[int, int, int]) -> Image:
    patched = image.copy()
    patched[y : y + height, x : x + width] = colour
    return patched


def _covers(rectangle: dict[str, Any], x: int, y: int) -> bool:
    inside_x = rectangle["x"] <= x < rectangle["x"] + rectangle["width"]
    return inside_x and bool(rectangle["y"] <= y < rectangle["y"] + rectangle["height"])


def _label(rectangle: dict[str, Any]) -> str:
    return str(rectangle["classNames"][0]["label"])


@pytest.fixture(scope="module")
def pcb(request: pytest.FixtureRequest) -> Path:
    return cast("Path", request.getfixturevalue("shared_data")) / "pcb"


@pytest.fixture(scope="module")
def pcb_module(pcb: Path) -> Module:
    return _module(pcb, "{data}_reference.png")


@pytest.fixture
def board(tmp_path: Path) -> Module:
    return _module(_project(tmp_path, board=_board()))


# real boards


def _iou(one: dict[str, Any], other: dict[str, Any]) -> float:
    width = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
    height = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
    shared = max(width, 0) * max(height, 0)
    return float(shared / (one["width"] * one["height"] + other["width"] * other["height"] - shared))


def _right(found: list[dict[str, Any]], true: list[dict[str, Any]]) -> int:
    """Count the found rectangles that overlap a true one of their own, the best overlaps first."""
    overlaps = sorted(((_iou(f, t), i, j) for i, f in enumerate(found) for j, t in enumerate(true)), reverse=True)
    used: tuple[set[int], set[int]] = (set(), set())
    for overlap, i, j in overlaps:
        if overlap >= 0.1 and i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
    return len(used[0])


def test_real_boards_get_the_right_verdict_and_most_defects_their_rectangle(pcb: Path, pcb_module: Module) -> None:
    wrong, right, found, true = [], 0, 0, 0
    for frame in json.loads((pcb / "truth.json").read_text()):
        context = _judge(pcb_module, _read(pcb / f"{frame['frame']}_test.jpg"), frame["frame"])
        assert not context["errors"]
        if context["result"] is not frame["ok"]:
            wrong.append(frame["frame"])
        right += _right(context["detectedRectangles"], frame["defects"])
        found += len(context["detectedRectangles"])
        true += len(frame["defects"])
    assert not wrong
    assert right / found >= 0.94
    assert right / true >= 0.97


@pytest.mark.parametrize("change", GOOD)
@pytest.mark.parametrize("number", ["02", "09", "14"])
def test_a_real_golden_image_stays_good(pcb: Path, pcb_module: Module, number: str, change: str) -> None:
    context = _judge(pcb_module, GOOD[change](_read(pcb / f"{number}_reference.png")), number)
    assert context["result"] is True
    assert context["detectedRectangles"] == []


# what is forgiven


@pytest.mark.parametrize("change", GOOD)
def test_a_coloured_board_stays_good(board: Module, change: str) -> None:
    context = _judge(board, GOOD[change](_board()))
    assert context["result"] is True
    assert context["detectedRectangles"] == []
    # pictures show heat from 0.36 upwards
    assert context["score"] < 0.36


def test_a_board_whose_halves_moved_apart_is_good(board: Module) -> None:
    image = np.hstack([_shifted(_board(), 0, 3)[:, :256], _shifted(_board(), 1, -3)[:, 256:]])
    for y in range(0, 512, 16):
        # the cut itself is no defect of either half
        image[y : y + 16, 250:262] = _board()[y : y + 16, 250:262]
    context = _judge(board, image)
    assert [r for r in context["detectedRectangles"] if not 230 < r["x"] + r["width"] / 2 < 282] == []


@pytest.mark.parametrize("shift", [(3, 0), (-3, 0), (0, 3), (0, -3)])
def test_without_alignment_edges_may_be_off_by_the_jitter_alone(tmp_path: Path, shift: tuple[int, int]) -> None:
    # without the text, whose strokes are thinner than the jitter
    golden = _board()[:470].copy()
    module = _module(_project(tmp_path, board=golden), shift_px=0)
    assert _judge(module, _shifted(golden, *shift))["result"] is True
    assert _judge(module, _shifted(golden, 2 * shift[0], 2 * shift[1]))["result"] is False


def test_a_board_far_darker_than_allowed_is_bad(tmp_path: Path) -> None:
    folder = _project(tmp_path, board=_board())
    dark = _lit(_board(), 0.5)
    assert _judge(_module(folder), dark)["result"] is False
    assert _judge(_module(folder, brightness_percent=100), dark)["result"] is True


# what is found


@pytest.mark.parametrize(
    "change", ["the golden image itself", "3 px to the left and down", "15 percent darker", "jpeg"]
)
def test_a_pasted_defect_is_found_where_it_is(board: Module, change: str) -> None:
    context = _judge(board, GOOD[change](_patched(_board(), 300, 110, 14, 10, (90, 180, 220))))
    assert context["result"] is False
    assert context["score"] >= context["threshold"]
    (rectangle,) = context["detectedRectangles"]
    assert _covers(rectangle, 307, 115)
    assert rectangle["width"] < 40
    assert _label(rectangle) == "brighter"


def test_missing_material_is_darker(board: Module) -> None:
    context = _judge(board, _patched(_board(), 330, 50, 20, 20, (40, 110, 30)))
    (rectangle,) = context["detectedRectangles"]
    assert _covers(rectangle, 340, 60)
    assert _label(rectangle) == "darker"


def test_a_gap_in_a_trace_as_thin_as_the_jitter_is_found(board: Module) -> None:
    context = _judge(board, _patched(_board(), 300, 84, 16, 12, (40, 110, 30)))
    assert any(_covers(rectangle, 308, 90) for rectangle in context["detectedRectangles"])


def test_another_colour_of_the_same_brightness_is_found(tmp_path: Path) -> None:
    image = _board((120, 90, 120))
    greener = _patched(image, 300, 110, 20, 12, (35, 150, 35))
    grey = cv2.cvtColor(greener, cv2.COLOR_BGR2GRAY).astype(int) - cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    assert abs(grey).max() < 3
    (rectangle,) = _judge(_module(_project(tmp_path, board=image)), greener)["detectedRectangles"]
    assert _covers(rectangle, 310, 116)
    assert _label(rectangle) == "tinted"


def test_two_defects_are_two_rectangles_and_close_pieces_one(board: Module) -> None:
    apart = _patched(_patched(_board(), 200, 110, 10, 8, (0, 0, 0)), 400, 270, 10, 8, (0, 0, 0))
    assert len(_judge(board, apart)["detectedRectangles"]) == 2
    close = _patched(_patched(_board(), 200, 110, 8, 8, (0, 0, 0)), 214, 110, 8, 8, (0, 0, 0))
    (rectangle,) = _judge(board, close)["detectedRectangles"]
    assert _covers(rectangle, 201, 114)
    assert _covers(rectangle, 220, 114)


def test_what_is_smaller_than_the_smallest_defect_is_none(tmp_path: Path) -> None:
    folder = _project(tmp_path, board=_board())
    image = _patched(_board(), 300, 110, 6, 6, (90, 180, 220))
    assert _judge(_module(folder, min_area_px=20), image)["result"] is False
    context = _judge(_module(folder, min_area_px=100), image)
    assert context["result"] is True
    assert context["detectedRectangles"] == []
    assert 0 < context["score"] < context["threshold"]


def test_a_frame_of_something_else_gets_one_rectangle(tmp_path: Path) -> None:
    golden = cast("Image", cv2.resize(_board(), (1920, 1024)))
    context = _judge(_module(_project(tmp_path, board=golden)), np.zeros_like(golden))
    assert context["result"] is False
    (rectangle,) = context["detectedRectangles"]
    assert _label(rectangle) == "darker"
    assert rectangle["width"] > 1500


def test_a_grey_golden_image_takes_grey_and_coloured_frames(tmp_path: Path) -> None:
    grey = cast("Image", cv2.cvtColor(_board(), cv2.COLOR_BGR2GRAY))
    module = _module(_project(tmp_path, board=grey))
    assert _judge(module, grey)["result"] is True
    assert _judge(module, _board())["result"] is True
    bad = grey.copy()
    bad[110:120, 300:314] = 250
    plain, coloured = _judge(module, bad), _judge(module, cast("Image", cv2.cvtColor(bad, cv2.COLOR_GRAY2BGR)))
    assert plain["result"] is False
    assert plain["detectedRectangles"] == coloured["detectedRectangles"]


def test_a_coloured_golden_image_takes_a_grey_frame(board: Module) -> None:
    context = _judge(board, cast("Image", cv2.cvtColor(_board(), cv2.COLOR_BGR2GRAY)))
    assert context["errors"] == []
    assert context["heatmaps"][0].shape == (512, 640)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 9), (9, 70), (131, 130), (64, 1000)])
def test_any_size_can_be_compared(tmp_path: Path, size: tuple[int, int]) -> None:
    golden = np.random.default_rng(3).integers(0, 256, (*size, 3), dtype=np.uint8)
    context = _judge(_module(_project(tmp_path, board=golden)), golden)
    assert context["result"] is True
    assert context["heatmaps"][0].shape == size


# what the context says


def test_a_rectangle_has_every_field_in_plain_types(board: Module) -> None:
    # the defect touches the corner, where the rectangle must not leave the frame
    bad = _patched(_board(), 610, 0, 30, 30, (0, 0, 0))
    context = _judge(board, bad)
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
    context = _judge(board, _patched(_board(), 300, 110, 14, 10, (90, 180, 220)))
    (heat,) = context["heatmaps"]
    assert heat.dtype == np.float32
    assert heat.shape == (512, 640)
    assert heat.min() == 0
    assert context["score"] == heat.max() <= 1
    y, x = np.nonzero(heat >= context["threshold"])
    (rectangle,) = context["detectedRectangles"]
    assert all(_covers(rectangle, *point) for point in zip(x.tolist(), y.tolist(), strict=True))
    assert rectangle["area"] == x.size


def test_what_earlier_modules_found_stays(board: Module) -> None:
    context = new_context(_patched(_board(), 300, 110, 14, 10, (0, 0, 0)), "board")
    context["detectedRectangles"].append({"id": 41})
    context["heatmaps"].append(np.zeros((512, 640), np.float32))
    board(context)
    assert [rectangle["id"] for rectangle in context["detectedRectangles"]] == [41, 42]
    assert len(context["heatmaps"]) == 2


def test_a_later_frame_changes_nothing_of_an_earlier_answer(tmp_path: Path) -> None:
    small = _board()[:300, :400].copy()
    module = _module(_project(tmp_path, board=_board(), small=small))
    bad = _patched(_board(), 300, 110, 14, 10, (0, 0, 0))
    first = _judge(module, bad)
    heat = first["heatmaps"][0].copy()
    _judge(module, small, "small")
    _judge(module, _board())
    again = _judge(module, bad)
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
    _project(tmp_path, board=_board())
    module = _module(_project(inside, board=_board()))
    message = _refused(_judge(module, _board(), data))
    assert "golden image" in message
    assert str(tmp_path) not in message
    assert len(message) < 300
    assert _judge(module, _board())["result"] is True


def test_a_link_out_of_the_project_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    _project(tmp_path, secret=_board())
    module = _module(_project(inside, board=_board()))
    (inside / "secret.png").symlink_to(tmp_path / "secret.png")
    assert "no golden image 'secret.png'" in _refused(_judge(module, _board(), "secret"))


def test_what_is_no_file_is_no_golden_image(tmp_path: Path) -> None:
    module = _module(_project(tmp_path, board=_board()))
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    for data in ("folder", "loop", "pipe"):
        assert "that can be read" in _refused(_judge(module, _board(), data))


def test_a_damaged_golden_image_is_an_error_of_that_frame(tmp_path: Path) -> None:
    module = _module(_project(tmp_path, board=_board()))
    (tmp_path / "torn.png").write_bytes((tmp_path / "board.png").read_bytes()[:1000])
    assert "'torn.png'" in _refused(_judge(module, _board(), "torn"))


def test_a_frame_of_another_size_is_an_error_that_names_both(board: Module) -> None:
    message = _refused(_judge(board, _board()[:500]))
    assert "640 x 500" in message
    assert "640 x 512" in message


def test_a_project_without_its_golden_image_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ProjectInvalid, match=r"^image: .*'references/none\.png'"):
        _module(tmp_path, "references/none.png")
    with pytest.raises(ProjectInvalid, match=r"^image: no file .*references/\{data\}\.png"):
        _module(tmp_path, "references/{data}.png")
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(ProjectInvalid, match=r"^image: .*'text\.png'"):
        _module(tmp_path, "text.png")


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


# golden images in memory


def _files(folder: Path, **limits: int) -> GoldenFiles:
    for name in ("a", "b", "c"):
        cv2.imwrite(str(folder / f"{name}.png"), _board()[:64, :64])
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
    shutil.copy(_project(tmp_path, board=_board()) / "board.png", tmp_path / "type [1]" / "golden.png")
    module = _module(tmp_path, "type [1]/{data}.png")
    assert _judge(module, _board(), "golden")["result"] is True
