"""Code that puts an image of another size there: what was found before stays right, said or not how that lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support.projects import inspect, write_project
from workers.flow.flow import Flow, Inspection
from workers.flow.project import load_project

FIND = """
    import numpy as np

    def main(context, form):
        height, width = context["image"].shape[:2]
        heat = np.zeros((height, width), np.float32)
        x, y = form["at"]
        heat[y : y + 4, x : x + 4] = 1
        context["heatmaps"].append(heat)
        if form.get("rectangle"):
            context["detectedRectangles"].append({"x": x, "y": y, "width": 4, "height": 4})
"""
CROP = "def main(context): context['image'] = context['image'][10:30, 20:50].copy()"
SCALE = "import cv2\ndef main(context): context['image'] = cv2.resize(context['image'], None, fx=0.5, fy=0.5)"
PLACED = "\n    context['placement'] = [[1, 0, 20], [0, 1, 10]]"
CODE = '[[flow]]\nmodule = "code"\nfile = "code/{}.py"\n'


def found(folder: Path, *steps: str, **code: str) -> Inspection:
    """Run a flow of code modules on a frame of 80 x 60 px; `find X Y` finds heat there, a name is a file."""
    tables = []
    for step in steps:
        name, *at = step.split()
        form = f"form = {{ at = [{at[0]}, {at[1]}], rectangle = {str('box' in at).lower()} }}\n" if at else ""
        tables.append(CODE.format(name) + form)
    flow = Flow.prepare(load_project(write_project(folder, "\n" + "\n".join(tables), find=FIND, **code)))
    image = np.full((60, 80, 3), 100, np.uint8)
    image.flags.writeable = False
    return inspect(flow, image)


def hot_at(inspection: Inspection) -> list[tuple[int, int]]:
    """Upper left corners (x, y) of the squares of 4 x 4 px that are hot."""
    heat: NDArray[np.float32] | None = inspection.heat
    if heat is None:
        return []
    ys, xs = np.nonzero(heat > 0.5)
    corners = [
        (int(x), int(y)) for y, x in zip(ys, xs, strict=True) if not (heat[y - 1, x] > 0.5 or heat[y, x - 1] > 0.5)
    ]
    assert len(ys) == 16 * len(corners)
    return corners


def test_where_code_says_how_it_crops_all_heat_lies_right_on_the_frame(tmp_path: Path) -> None:
    inspection = found(
        tmp_path,
        "find 5 6",
        "crop",
        "find 3 2 box",
        crop=CROP.replace("main(context): ", "main(context):\n    ") + PLACED,
    )
    assert inspection.image.shape[:2] == (60, 80)
    assert hot_at(inspection) == [(5, 6), (23, 12)]
    (box,) = inspection.context["detectedRectangles"]
    assert (box["x"], box["y"]) == (23, 12)
    assert inspection.context["errors"] == []
    assert "notes" not in inspection.context


def test_where_it_says_nothing_a_good_part_stays_good_and_what_was_found_before_stays_where_it_was(
    tmp_path: Path,
) -> None:
    for name, source, size in (("crop", CROP, "30 x 20"), ("scale", SCALE, "40 x 30")):
        inspection = found(tmp_path / name, "find 5 6 box", name, **{name: source})
        context = inspection.context
        assert (context["errors"], context["result"]) == ([], True)
        assert context["imageShape"] == {"height": 60, "width": 80}
        assert hot_at(inspection) == [(5, 6)]
        assert [(box["x"], box["y"]) for box in context["detectedRectangles"]] == [(5, 6)]
        (note,) = context["notes"]
        assert note == (
            f"module 2 ({name}): code/{name}.py put an image of {size} px in the place of one of 80 x 60 and did not"
            " say how it lies on that (context['placement']): pictures show the frame, with what was found before;"
            " rectangles found from then on are in pixels of the new image"
        )


def test_heat_of_an_image_whose_place_nobody_knows_is_left_out_with_a_note(tmp_path: Path) -> None:
    inspection = found(tmp_path, "find 5 6", "crop", "find 3 2", "find 9 9", crop=CROP)
    assert (inspection.context["errors"], inspection.context["result"]) == ([], True)
    assert hot_at(inspection) == [(5, 6)]
    assert inspection.context["notes"][1] == (
        "2 heatmaps are not shown: they are of another image than the one that is, and no context['placement'] says how"
        " one lies on the other"
    )


def test_where_nothing_was_found_before_the_new_image_is_what_is_shown(tmp_path: Path) -> None:
    inspection = found(tmp_path, "crop", "find 3 2 box", crop=CROP)
    assert inspection.image.shape[:2] == (20, 30)
    assert hot_at(inspection) == [(3, 2)]
    assert "notes" not in inspection.context


def test_where_code_takes_away_what_was_found_before_the_new_image_is_shown(tmp_path: Path) -> None:
    forget = "def main(context): context['heatmaps'] = []; context['detectedRectangles'] = []"
    inspection = found(tmp_path, "find 5 6 box", "crop", "forget", "find 3 2", crop=CROP, forget=forget)
    assert inspection.image.shape[:2] == (20, 30)
    assert hot_at(inspection) == [(3, 2)]
    assert inspection.context["errors"] == []


def test_a_placement_that_is_said_later_is_on_the_image_that_had_none(tmp_path: Path) -> None:
    again = "def main(context): context.update(image=context['image'][4:, 6:].copy(), placement=[[1, 0, 6], [0, 1, 4]])"
    inspection = found(tmp_path, "crop", "again", "find 3 2 box", crop=CROP, again=again)
    assert inspection.image.shape[:2] == (20, 30)
    assert hot_at(inspection) == [(9, 6)]
    assert [(box["x"], box["y"]) for box in inspection.context["detectedRectangles"]] == [(9, 6)]


def test_an_image_of_the_same_size_is_no_matter(tmp_path: Path) -> None:
    grey = "def main(context): context['image'] = context['image'][:, :, 0].copy()"
    inspection = found(tmp_path, "find 5 6", "grey", "find 30 20", grey=grey)
    assert inspection.image.shape == (60, 80)
    assert sorted(hot_at(inspection)) == [(5, 6), (30, 20)]
    assert "notes" not in inspection.context


def test_a_branch_that_crops_leaves_what_others_found_on_the_frame(tmp_path: Path) -> None:
    def module(name: str, at: str = "") -> str:
        form = f", form = {{ at = [{at}] }}" if at else ""
        return f'{{ module = "code", file = "code/{name}.py"{form} }}'

    first, second = f"[{module('crop')}, {module('find', '3, 2')}]", f"[{module('find', '30, 20')}]"
    for number, (branches, shown) in enumerate(
        ((f"{first}, {second}", [(5, 6), (30, 20)]), (f"{second}, {first}", [(5, 6), (30, 20)]))
    ):
        flow = (
            CODE.format("find") + f'form = {{ at = [5, 6] }}\n[[flow]]\nmodule = "parallel"\nbranches = [{branches}]\n'
        )
        folder = write_project(tmp_path / str(number), "\n" + flow, find=FIND, crop=CROP)
        inspection = inspect(Flow.prepare(load_project(folder)), np.full((60, 80, 3), 100, np.uint8))
        assert inspection.image.shape[:2] == (60, 80)
        assert sorted(hot_at(inspection)) == shown
        assert inspection.context["errors"] == []
