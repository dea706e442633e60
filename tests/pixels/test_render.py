"""The pictures: as the vendor draws them, on any image, with any rectangles."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from workers.errors import InternalError
from workers.pictures import render

RED_AT_FULL_HEAT = 204
GREEN = (0, 255, 0)


def annotate(image: NDArray[np.uint8], heat: NDArray[np.float32] | None, rectangles: Any) -> NDArray[np.uint8]:
    """In OpenCV's order."""
    return render.annotate(image, heat, rectangles)[..., ::-1]


def heatmap(heat: NDArray[np.float32] | None, height: int, width: int) -> NDArray[np.uint8]:
    """In OpenCV's order."""
    return render.heatmap(heat, height, width)[..., ::-1]


def read(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path))
    assert image is not None
    return image.astype(np.uint8)


def noise(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    return np.random.default_rng(7).integers(0, 256, shape, dtype=np.uint8)


def rectangle(x: float, y: float, width: float, height: float, **fields: object) -> dict[str, Any]:
    names = [{"id": 1, "label": fields.pop("label", ""), "color": fields.pop("color", "#00ff00")}]
    return {"x": x, "y": y, "width": width, "height": height, "classNames": names, **fields}


def blended(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.float64]:
    """The formula of the contract, in float64."""
    weight = np.where(heat >= np.float32(0.36), heat, 0).astype(np.float64)[..., None]
    mixed: NDArray[np.float64] = image * (1 - weight) + weight * np.array([0, 0, 255.0])
    return mixed


@pytest.fixture(scope="module")
def vendor(shared_data: Path) -> dict[str, NDArray[np.uint8]]:
    """The vendor's own frame, heatmap and annotated image."""
    return {name: read(shared_data / "pekat" / f"{name}.png") for name in ("nok", "nok_heatmap", "nok_annotated")}


@pytest.fixture(scope="module")
def vendor_heat(vendor: dict[str, NDArray[np.uint8]]) -> NDArray[np.float32]:
    return vendor["nok_heatmap"][..., 2].astype(np.float32) / np.float32(RED_AT_FULL_HEAT)


def test_the_vendors_heatmap_is_reproduced_exactly(
    vendor: dict[str, NDArray[np.uint8]], vendor_heat: NDArray[np.float32]
) -> None:
    assert np.array_equal(heatmap(vendor_heat, *vendor_heat.shape), vendor["nok_heatmap"])


def test_the_vendors_annotated_image_is_reproduced_to_one_level(
    vendor: dict[str, NDArray[np.uint8]], vendor_heat: NDArray[np.float32]
) -> None:
    drawn = annotate(vendor["nok"], vendor_heat, [])
    assert np.abs(drawn.astype(int) - vendor["nok_annotated"]).max() <= 1
    assert np.count_nonzero(drawn != vendor["nok"]) > 10_000


@pytest.mark.parametrize("size", [(1, 1), (5, 300), (127, 129), (256, 128), (1024, 1920)])
def test_heat_anywhere_is_blended_as_the_formula_says(size: tuple[int, int]) -> None:
    image, heat = noise((*size, 3)), np.random.default_rng(2).random(size, np.float32)
    heat[:, : size[1] // 3] = 0
    drawn = annotate(image, heat, [])
    assert np.abs(drawn - blended(image, heat)).max() < 0.51
    assert np.array_equal(drawn[heat < 0.36], image[heat < 0.36])


def test_heat_below_the_faintest_is_not_drawn_and_the_faintest_is() -> None:
    faintest = np.float32(0.36)
    heat = np.array([[np.nextafter(faintest, np.float32(0)), faintest]], np.float32)
    assert heatmap(heat, 1, 2).tolist() == [[[0, 0, 0], [0, 0, 73]]]
    assert annotate(np.zeros((1, 2, 3), np.uint8), heat, []).tolist() == [[[0, 0, 0], [0, 0, 92]]]


def test_heat_out_of_range_is_limited() -> None:
    heat = np.array([[2.0, np.inf, -1.0, -np.inf, np.nan]], np.float32)
    assert heatmap(heat, 1, 5)[0, :, 2].tolist() == [204, 204, 0, 0, 0]
    assert annotate(np.zeros((1, 5, 3), np.uint8), heat, [])[0, :, 2].tolist() == [255, 255, 0, 0, 0]


def test_a_frame_without_heat_has_a_black_heatmap_of_its_size() -> None:
    drawn = heatmap(None, 30, 50)
    assert drawn.shape == (30, 50, 3)
    assert drawn.dtype == np.uint8
    assert not drawn.any()


def test_heat_of_another_size_is_refused() -> None:
    heat = np.ones((10, 10), np.float32)
    with pytest.raises(InternalError, match="20 high and 10 wide"):
        heatmap(heat, 20, 10)
    with pytest.raises(InternalError, match="20 high and 10 wide"):
        annotate(np.zeros((20, 10), np.uint8), heat, [])


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_the_frame_itself_is_never_changed(shape: tuple[int, ...]) -> None:
    image = noise(shape)
    before = image.copy()
    image.flags.writeable = False
    drawn = annotate(image, np.ones((40, 60), np.float32), [rectangle(5, 5, 20, 20)])
    assert np.array_equal(image, before)
    assert drawn.shape == (40, 60, 3)
    assert drawn.flags.writeable
    assert not np.shares_memory(drawn, annotate(image, None, []))


def test_without_heat_and_rectangles_the_picture_is_the_frame() -> None:
    colour, grey = noise((40, 60, 3)), noise((40, 60))
    assert np.array_equal(annotate(colour, None, []), colour)
    assert np.array_equal(annotate(grey, None, []), np.repeat(grey[..., None], 3, axis=2))


def test_an_outline_lies_around_its_rectangle_in_the_class_colour() -> None:
    drawn = annotate(np.zeros((200, 300, 3), np.uint8), None, [rectangle(100, 80, 40, 30)])
    expected = np.zeros((200, 300, 3), np.uint8)
    cv2.rectangle(expected, (99, 79), (140, 110), GREEN, 1)
    assert np.array_equal(drawn, expected)


def test_the_first_class_name_wins() -> None:
    names = [{"label": "", "color": "#0000ff"}, {"label": "", "color": "#00ff00"}]
    drawn = annotate(np.zeros((50, 50, 3), np.uint8), None, [{**rectangle(10, 10, 20, 20), "classNames": names}])
    assert drawn[9, 15].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("name", "bgr"),
    [
        ({"color": "#102030"}, [0x30, 0x20, 0x10]),
        ({"color_bgr": [1, 2.0, 300]}, [1, 2, 255]),
        ({"color": "blue", "color_bgr": (9, 8, 7)}, [9, 8, 7]),
        ({"color": "#gg0000"}, [0, 0, 255]),
        ({"color": None, "color_bgr": [1, 2]}, [0, 0, 255]),
        ({}, [0, 0, 255]),
    ],
)
def test_colours_are_read_from_either_field_and_are_red_without(name: dict[str, Any], bgr: list[int]) -> None:
    drawn = annotate(np.zeros((50, 50, 3), np.uint8), None, [{**rectangle(10, 10, 20, 20), "classNames": [name]}])
    assert drawn[9, 15].tolist() == bgr


def test_lines_grow_with_the_picture() -> None:
    def green(size: int) -> int:
        drawn = annotate(np.zeros((size, size, 3), np.uint8), None, [rectangle(size / 4, size / 4, size / 2, size / 2)])
        return int(np.all(drawn[size // 2, : size // 2] == GREEN, axis=1).sum())

    assert [green(size) for size in (64, 1500, 4500)] == [1, 3, 7]


@pytest.mark.parametrize("color", ["#ffe600", "#112233"])
def test_a_tag_stands_above_and_its_text_contrasts_with_the_class_colour(color: str) -> None:
    found = rectangle(400, 300, 80, 60, color=color, label="open", confidence=0.97)
    drawn = annotate(np.full((600, 800, 3), 127, np.uint8), None, [found])
    above = drawn[280:298, 400:440].reshape(-1, 3)
    fill = np.array([int(color[i : i + 2], 16) for i in (5, 3, 1)])
    ink = 0 if fill.sum() > 382 else 255
    assert np.all(above == fill, axis=1).sum() > 100
    assert np.all(above == ink, axis=1).sum() > 10


def tag_pixels(picture: NDArray[np.uint8], empty: NDArray[np.uint8]) -> NDArray[np.bool_]:
    changed: NDArray[np.bool_] = (picture != empty).any(axis=2)
    return changed


@pytest.mark.parametrize("label", ["chybějící díl", "обрыв", "开路", "ショート"])
def test_labels_of_other_scripts_are_drawn_and_not_replaced(label: str) -> None:
    empty = np.zeros((300, 600, 3), np.uint8)
    real = annotate(empty, None, [rectangle(200, 150, 50, 50, label=label)])
    unknown = annotate(empty, None, [rectangle(200, 150, 50, 50, label="?" * len(label))])
    assert not np.array_equal(real, unknown)


def test_tags_do_not_cover_each_other() -> None:
    empty = np.zeros((600, 800, 3), np.uint8)
    one, two = (rectangle(300, 300, 40, 30, label="twin", color=color) for color in ("#00ff00", "#ff00ff"))
    alone = tag_pixels(annotate(empty, None, [one]), empty)
    both = annotate(empty, None, [one, two])
    beside = np.all(both == (255, 0, 255), axis=2)
    # what the second tag fills beyond the outline that both share was free before
    assert np.count_nonzero(beside & ~alone) > 200
    first_tag = np.all(both[:290] == GREEN, axis=2)
    assert np.count_nonzero(first_tag) > 100


def test_a_rectangle_at_the_edge_keeps_a_whole_outline_and_its_tag() -> None:
    drawn = annotate(np.zeros((300, 400, 3), np.uint8), None, [rectangle(-50, -50, 1000, 1000, label="all")])
    for side in (drawn[0], drawn[-1], drawn[:, 0], drawn[:, -1]):
        assert np.all(side == GREEN, axis=1).mean() > 0.7
    assert np.all(drawn[2:20, 2:60] == GREEN, axis=2).sum() > 100


@pytest.mark.parametrize("found", [rectangle(-50, 10, 50, 20), rectangle(500, 10, 20, 20), rectangle(10, 1e12, 5, 5)])
def test_a_rectangle_outside_the_image_is_not_drawn(found: dict[str, Any]) -> None:
    assert not annotate(np.zeros((300, 400, 3), np.uint8), None, [found]).any()


def test_rotation_is_clockwise_in_degrees_about_the_centre() -> None:
    drawn = annotate(np.zeros((400, 400, 3), np.uint8), None, [rectangle(100, 190, 200, 20, rotate=30.0)])
    rows, columns = np.nonzero(drawn.any(axis=2))
    right_end = rows[columns > 270].mean()
    assert right_end == pytest.approx(200 + math.sin(math.radians(30)) * 90, abs=8)
    quarter = annotate(np.zeros((400, 400, 3), np.uint8), None, [rectangle(100, 190, 200, 20, rotate=90)])
    upright = annotate(np.zeros((400, 400, 3), np.uint8), None, [rectangle(190, 100, 20, 200)])
    assert np.array_equal(quarter, upright)


ODD_VALUES: list[Any] = [
    None, "", "12", "abc", math.nan, math.inf, -math.inf, 1e308, -7.5, 2**70, True, [], {}, b"\xff", np.float32(3),
]  # fmt: skip


@pytest.mark.parametrize("field", ["x", "y", "width", "height", "rotate", "confidence", "classNames", "id"])
@pytest.mark.parametrize("value", ODD_VALUES, ids=repr)
def test_odd_values_are_drawn_or_left_out_but_never_raise(field: str, value: object) -> None:
    found = {**rectangle(10, 10, 20, 20, label="x", confidence=0.5, rotate=0.0), field: value}
    assert annotate(np.zeros((64, 64), np.uint8), None, [found]).shape == (64, 64, 3)


@pytest.mark.parametrize("field", ["label", "color", "color_bgr"])
@pytest.mark.parametrize(
    "value", [*ODD_VALUES, "\ud800", "a\x00b\n\t", "x" * 10_000, "🙂", "#12345", ["a"] * 3], ids=ascii
)
def test_odd_class_names_never_raise(field: str, value: object) -> None:
    found = {**rectangle(10, 10, 20, 20, confidence=0.5), "classNames": [{"label": "x", field: value}]}
    assert annotate(np.zeros((200, 300), np.uint8), None, [found]).any()


def test_what_is_no_rectangle_is_left_out() -> None:
    found: list[Any] = [None, [], "rectangle", {}, {"x": 1}]
    assert not annotate(np.zeros((64, 64), np.uint8), None, found).any()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (16, 16)])
def test_pictures_too_small_for_a_tag_keep_the_outline(size: tuple[int, int]) -> None:
    found = rectangle(0, 0, size[1], size[0], label="much too long for this", confidence=1.0)
    assert annotate(np.zeros(size, np.uint8), None, [found]).any()


def test_a_thousand_rectangles_all_get_their_outline() -> None:
    places = [(x, y) for y in range(5, 1000, 50) for x in range(5, 1900, 38)]
    drawn = annotate(np.zeros((1024, 1920), np.uint8), None, [rectangle(x, y, 20, 20) for x, y in places])
    assert all(drawn[y - 1, x + 10].tolist() == list(GREEN) for x, y in places)
