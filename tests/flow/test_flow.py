"""The flow: the order of modules, their deadline, exit, parallel blocks, and what comes out at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.support.projects import code_flow, frame, inspect, surroundings_in, write_project
from workers.context.context import context_json, new_context
from workers.context.run import Context, Run, Stage
from workers.errors import DeadlineExceeded, ImageInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.base import on_context

SET = "def main(context, form): context.update(form)"
NOTE = "def main(context, form): context.setdefault('order', []).append(form['name'])"
BOX = "{'id': ID, 'x': ID, 'y': 0, 'width': 1, 'height': 1}"


def test_an_empty_flow_gives_back_the_frame_and_says_ok(tmp_path: Path) -> None:
    image = frame(5, 7)
    inspection = inspect(Flow.prepare(load_project(write_project(tmp_path))), image)
    assert inspection.image is image
    assert inspection.heat is None
    assert inspection.context["result"] is True
    assert inspection.context["imageShape"] == {"height": 5, "width": 7}
    assert context_json(inspection.context)


def test_a_frame_that_could_be_written_to_comes_back_itself(tmp_path: Path) -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    inspection = inspect(Flow.prepare(load_project(write_project(tmp_path))), image)
    assert inspection.image is image
    assert image.flags.writeable


def test_modules_run_in_order_and_a_later_evaluation_overwrites_the_result(tmp_path: Path) -> None:
    tables = "".join(
        f'[[flow]]\nmodule = "code"\nfile = "code/{file}.py"\nform = {form}\n'
        for file, form in [
            ("note", '{ name = "a" }'),
            ("set", "{ result = false }"),
            ("note", '{ name = "b" }'),
            ("set", "{ result = true }"),
        ]
    )
    project = load_project(write_project(tmp_path, tables, note=NOTE, set=SET))
    context = inspect(Flow.prepare(project)).context
    assert context["order"] == ["a", "b"]
    assert context["result"] is True


def test_time_that_ran_out_is_told_with_the_module_that_did_not_run(tmp_path: Path) -> None:
    deadline_ns = time.monotonic_ns() + 10**18
    source = "import time\ndef main(context): time.monotonic_ns = lambda: {}"
    flow = code_flow(tmp_path, "def main(context): pass", "def main(context): pass")
    with pytest.raises(DeadlineExceeded, match=r"before module 1 \(step0\) could run"):
        flow.run(frame(), data="", deadline_ns=time.monotonic_ns())
    late = code_flow(tmp_path, source.format(deadline_ns + 1), "def main(context): pass")
    real = time.monotonic_ns
    try:
        with pytest.raises(DeadlineExceeded, match=r"before module 2 \(step1\) could run"):
            late.run(frame(), data="", deadline_ns=deadline_ns)
    finally:
        time.monotonic_ns = real


def test_exit_ends_the_flow_and_is_not_part_of_the_answer(tmp_path: Path) -> None:
    leave = "import numpy as np\ndef main(context): context['exit'] = np.bool_(True); context['left'] = True"
    context = inspect(code_flow(tmp_path, leave, "def main(context): context['ran'] = 1")).context
    assert context["left"] is True
    assert "ran" not in context
    assert "exit" not in context
    assert context["error"] is False


@pytest.mark.parametrize("value", ["False", "0", "None", "np.bool_(False)"])
def test_the_flow_goes_on_where_exit_is_false(tmp_path: Path, value: str) -> None:
    stay = f"import numpy as np\ndef main(context): context['exit'] = {value}"
    assert "ran" in inspect(code_flow(tmp_path, stay, "def main(context): context['ran'] = 1")).context


def test_an_exit_that_is_neither_true_nor_false_ends_the_flow_with_an_error(tmp_path: Path) -> None:
    leave = "import numpy as np\ndef main(context): context['exit'] = np.zeros(2)"
    context = inspect(code_flow(tmp_path, leave, "def main(context): context['ran'] = 1")).context
    assert "ran" not in context
    assert context["errors"][0]["message"] == "context['exit'] is a ndarray, expected a bool"


def test_the_heat_is_the_hottest_of_all_heatmaps(tmp_path: Path) -> None:
    source = """
        import numpy as np

        def main(context):
            warm = np.full((6, 8), 0.25)
            spot = np.zeros((6, 8), np.uint8)
            spot[2, 3] = 255
            mask = np.zeros((6, 8), bool)
            mask[0, 0] = True
            context["heatmaps"] += [warm, spot, mask]
    """
    inspection = inspect(code_flow(tmp_path, source))
    expected = np.full((6, 8), 0.25, np.float32)
    expected[2, 3] = expected[0, 0] = 1
    assert inspection.heat is not None
    assert inspection.heat.dtype == np.float32
    assert np.array_equal(inspection.heat, expected)
    assert inspection.context["errors"] == []


def test_heat_beyond_its_range_is_cut(tmp_path: Path) -> None:
    source = """
        import numpy as np

        def main(context):
            heat = np.zeros((6, 8))
            heat[0, :4] = 1.5, -0.5, 1e300, -1e300
            context["heatmaps"].append(heat)
    """
    inspection = inspect(code_flow(tmp_path, source))
    assert inspection.heat is not None
    assert inspection.heat[0, :4].tolist() == [1, 0, 1, 0]
    assert inspection.context["errors"] == []


def test_heatmaps_that_do_not_fit_are_left_out_and_told(tmp_path: Path) -> None:
    source = """
        import numpy as np

        def main(context):
            good = np.full((3, 8), 0.5, np.float32)
            context["image"] = context["image"][:3]
            context["heatmaps"] = [good, np.zeros((6, 8)), good.astype("uint16"), good.astype(complex), "hot"]
    """
    inspection = inspect(code_flow(tmp_path, source))
    assert inspection.heat is not None
    assert (inspection.heat == 0.5).all()
    assert [entry["message"] for entry in inspection.context["errors"]] == [
        "context['heatmaps'][1] is an array (6, 8), expected (3, 8) as the final image: left out",
        "context['heatmaps'][2] is an array of uint16, expected floats in 0..1: left out",
        "context['heatmaps'][3] is an array of complex128, expected an array (h, w) of floats in 0..1: left out",
        "context['heatmaps'][4] is 'hot', expected an array (h, w) of floats in 0..1: left out",
    ]
    assert inspection.context["result"] is False


def run_built_in(module: Callable[[Context], None], **left: object) -> tuple[Context, bool, Run]:
    """Run `module` as one of ours on a context in which user code left things."""
    run = Run.start(time.monotonic_ns() + 10**18)
    stage = Stage(4, "reference", on_context(module, surroundings_in(Path(), 4)))
    run.stage = stage
    context = {**new_context(frame(), "text"), **left}
    return context, stage.call(context, run), run


def test_a_module_of_ours_finds_an_image_and_lists_whatever_code_left() -> None:
    seen: list[Any] = []

    def look(context: Context) -> None:
        seen.append((context["image"].shape, context["detectedRectangles"], context["heatmaps"]))

    bgra = np.zeros((4, 5, 4), np.uint8)
    _, worked, run = run_built_in(look, image=bgra, detectedRectangles=({"id": 1},), heatmaps=5, errors=None)
    assert worked
    assert seen == [((4, 5, 3), [{"id": 1}], [])]
    assert [entry["message"] for entry in run.errors] == [
        "context['heatmaps'] is 5, expected a list; it was emptied",
        "context['errors'] is None, expected a list; it was emptied",
    ]


@pytest.mark.parametrize(
    ("left", "message"),
    [
        ({"image": np.zeros(4)}, "context['image'] is an array (4,) of float64, expected"),
        ({"data": 5}, "context['data'] is 5, expected text"),
    ],
)
def test_a_module_of_ours_does_not_run_without_an_image_and_data(left: dict[str, object], message: str) -> None:
    context, worked, run = run_built_in(lambda context: context.update(ran=True), **left)
    assert not worked
    assert "ran" not in context
    assert run.errors[0]["message"].startswith(message)


def test_what_a_module_of_ours_refuses_becomes_an_error() -> None:
    def refuse(context: Context) -> None:
        raise ImageInvalid(f"no reference for {context['image'].shape}")

    _, worked, run = run_built_in(refuse)
    assert not worked
    (entry,) = run.errors
    assert (entry["message"], entry["type"]) == ("no reference for (6, 8, 3)", "image_invalid")
    assert (entry["module"], entry["moduleId"]) == ("reference", 4)


def test_a_module_of_ours_that_tells_an_error_has_failed_and_earlier_errors_stay() -> None:
    def tell(context: Context) -> None:
        context["errors"].append({"message": "no golden image", "module": "another name"})
        context["exit"] = True

    context, worked, run = run_built_in(tell, errors=["the user's own"])
    assert not worked
    assert context["errors"] == ["the user's own"]
    assert [(entry["message"], entry["module"]) for entry in run.errors] == [("no golden image", "reference")]


def test_a_reference_in_a_branch_that_cannot_judge_ends_the_flow(tmp_path: Path) -> None:
    tables = """
        [[flow]]
        module = "parallel"
        branches = [[{ module = "reference", image = "references/{data}.png", name = "top" }]]
        [[flow]]
        module = "code"
        file = "code/after.py"
    """
    write_project(tmp_path, tables, after="def main(context): context['result'] = True")
    (tmp_path / "references").mkdir()
    assert cv2.imwrite(str(tmp_path / "references" / "known.png"), np.zeros((64, 64, 3), np.uint8))
    flow = Flow.prepare(load_project(tmp_path))
    known = inspect(flow, np.zeros((64, 64, 3), np.uint8), data="known").context
    assert (known["result"], known["errors"]) == (True, [])
    unknown = inspect(flow, np.zeros((64, 64, 3), np.uint8), data="unknown").context
    assert (unknown["result"], unknown["error"]) == (False, True)
    assert [(entry["module"], entry["moduleId"]) for entry in unknown["errors"]] == [("top", 2)]
