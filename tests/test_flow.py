"""The flow: the order of modules, their deadline, exit, parallel blocks, and what comes out at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from projects import code_flow, frame, inspect, write_project

from workers.errors import DeadlineExceeded, ImageInvalid
from workers.flow.context import context_json
from workers.flow.flow import Flow, built_in
from workers.flow.project import load_project
from workers.flow.run import Context, Run, Stage

SET = "def main(context, form): context.update(form)"
NOTE = "def main(context, form): context.setdefault('order', []).append(form['name'])"
BOX = "{'id': ID, 'x': ID, 'y': 0, 'width': 1, 'height': 1}"


def parallel_flow(folder: Path, *branches: list[str], before: str = "pass", after: str = "pass") -> Flow:
    """Prepare a flow with a block of `branches`, bodies of `main(context)`, and one module before and one after it."""
    files = {"before": before, "after": after}
    files |= {f"b{i}_{j}": body for i, branch in enumerate(branches) for j, body in enumerate(branch)}
    rows = [
        "[" + ", ".join(f'{{ module = "code", file = "code/b{i}_{j}.py" }}' for j, _ in enumerate(branch)) + "]"
        for i, branch in enumerate(branches)
    ]
    tables = (
        '[[flow]]\nmodule = "code"\nfile = "code/before.py"\n'
        f'[[flow]]\nmodule = "parallel"\nbranches = [{", ".join(rows)}]\n'
        '[[flow]]\nmodule = "code"\nfile = "code/after.py"\n'
    )
    head = "import numpy as np\ndef main(context):\n    "
    sources = {name: head + "\n    ".join(body.splitlines()) + "\n" for name, body in files.items()}
    return Flow.prepare(load_project(write_project(folder, tables, **sources)))


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


def test_time_can_run_out_in_a_branch(tmp_path: Path) -> None:
    deadline_ns = time.monotonic_ns() + 10**18
    late = f"import time\ntime.monotonic_ns = lambda: {deadline_ns + 1}"
    flow = parallel_flow(tmp_path, ["pass"], [late, "pass"])
    real = time.monotonic_ns
    try:
        with pytest.raises(DeadlineExceeded, match=r"before module 5 \(b1_1\) could run"):
            flow.run(frame(), data="", deadline_ns=deadline_ns)
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


def test_heat_beyond_its_range_is_cut_and_what_is_no_number_is_cold(tmp_path: Path) -> None:
    source = """
        import numpy as np

        def main(context):
            heat = np.zeros((6, 8), np.float32)
            heat[0, :5] = np.nan, np.inf, -np.inf, 1.5, -0.5
            context["heatmaps"].append(heat)
    """
    heat = inspect(code_flow(tmp_path, source)).heat
    assert heat is not None
    assert heat[0, :5].tolist() == [0, 1, 0, 1, 0]


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


def test_branches_see_the_context_as_it_was_and_their_custom_keys_do_not_survive(tmp_path: Path) -> None:
    before = "context['own'] = {'list': [1], 'array': np.zeros(3)}"
    spoil = (
        "context['own']['list'].append(2); context['own']['array'][:] = 9; context['mine'] = 1; context['items'][1] = 1"
    )
    look = (
        "print(context['own']['list'], context['own']['array'].tolist(), 'mine' in context, context['items'],\n"
        "      context['result'])"
    )
    flow = parallel_flow(tmp_path, [spoil + "; context['result'] = False"], [look], before=before, after=look)
    context = inspect(flow).context
    assert context["stdout"] == "[1] [0.0, 0.0, 0.0] False {} True\n[1] [0.0, 0.0, 0.0] False {} False\n"
    assert "mine" not in context


@pytest.mark.parametrize(
    ("verdicts", "joined"),
    [((True, True), True), ((True, False), False), ((False, True), False), ((False, False), False)],
)
def test_the_result_of_a_block_is_true_only_if_all_branches_say_so(
    tmp_path: Path, verdicts: tuple[bool, bool], joined: bool
) -> None:
    branches = [[f"context['result'] = {verdict}"] for verdict in verdicts]
    assert inspect(parallel_flow(tmp_path, *branches)).context["result"] is joined
    assert inspect(parallel_flow(tmp_path, *branches, before="context['result'] = False")).context["result"] is joined


def test_rectangles_and_heatmaps_of_all_branches_come_together_and_earlier_ones_once(tmp_path: Path) -> None:
    def add(number: int) -> str:
        heat = f"np.eye(6, 8, {number - 2}, dtype='float32')"
        box = BOX.replace("ID", str(number))
        return f"context['detectedRectangles'].append({box}); context['heatmaps'].append({heat})"

    count = "print(len(context['heatmaps']), [r['id'] for r in context['detectedRectangles']])"
    flow = parallel_flow(tmp_path, [add(2), add(3)], [add(4)], before=add(1), after=count)
    inspection = inspect(flow)
    assert inspection.context["stdout"] == "4 [1, 2, 3, 4]\n"
    sources = [item["source"]["moduleId"] for item in inspection.context["detectedRectangles"]]
    assert sources == [1, 3, 4, 5]
    assert inspection.heat is not None
    diagonals = [np.eye(6, 8, number - 2, dtype=np.float32) for number in (1, 2, 3, 4)]
    assert np.array_equal(inspection.heat, np.maximum.reduce(diagonals))


def test_a_rectangle_that_one_branch_changed_comes_in_both_forms(tmp_path: Path) -> None:
    before = f"context['detectedRectangles'] = [{BOX.replace('ID', '1')}, {BOX.replace('ID', '2')}]"
    move = "context['detectedRectangles'][0]['x'] = 5"
    drop = "del context['detectedRectangles'][1]"
    context = inspect(parallel_flow(tmp_path, [move], [drop], before=before)).context
    assert [(item["id"], item["x"]) for item in context["detectedRectangles"]] == [(1, 5), (2, 2), (1, 1)]


def test_the_image_of_the_first_branch_goes_on(tmp_path: Path) -> None:
    dark, light = "context['image'][:] = 1", "context['image'] = np.full((2, 3), 9, np.uint8)"
    image = frame()
    assert (inspect(parallel_flow(tmp_path, [dark], [light]), image).image == 1).all()
    assert inspect(parallel_flow(tmp_path, [light], [dark]), image).image.shape == (2, 3)
    assert np.array_equal(image, frame())


def test_a_branch_does_not_see_the_pixels_of_another(tmp_path: Path) -> None:
    paint = "context['image'][:] = 200"
    look = "print(int(context['image'].max()))"
    before = "context['image'][:] = 3"
    inspection = inspect(parallel_flow(tmp_path, ["pass"], [paint], [look], before=before, after=look))
    assert inspection.context["stdout"] == "3\n3\n"
    assert (inspection.image == 3).all()


def test_an_image_that_no_branch_touched_is_not_copied(tmp_path: Path) -> None:
    look = "def main(context): context['result'] = True"
    tables = """
        [[flow]]
        module = "parallel"
        branches = [
            [{ module = "code", file = "code/look.py", readonly = true }],
            [{ module = "code", file = "code/look.py", readonly = true }],
        ]
    """
    image = frame()
    flow = Flow.prepare(load_project(write_project(tmp_path, tables, look=look)))
    assert inspect(flow, image).image is image


def test_exit_ends_only_its_branch(tmp_path: Path) -> None:
    flow = parallel_flow(
        tmp_path, ["context['exit'] = True", "print('no')"], ["print('other')"], after="print('after')"
    )
    assert inspect(flow).context["stdout"] == "other\nafter\n"


def test_a_failed_branch_lets_the_others_end_and_then_ends_the_flow(tmp_path: Path) -> None:
    flow = parallel_flow(
        tmp_path,
        ["print('one')\n1 / 0", "print('never')"],
        ["print('two'); context['result'] = True"],
        after="print('never')",
    )
    context = inspect(flow).context
    assert context["stdout"] == "one\ntwo\n"
    assert (context["error"], context["result"]) == (True, False)
    assert [(entry["module"], entry["moduleId"]) for entry in context["errors"]] == [("b0_0", 3)]


def test_scores_flags_lists_and_errors_of_branches_are_joined(tmp_path: Path) -> None:
    own = "context['errors'].append('{0}'); context['lines'].append('{0}')"
    first = "context.update(score=0.25, threshold=0.5, angle=12.0, save=True); " + own.format("a")
    second = "context.update(score=0.75, threshold=0.6, angle=34.0, error=True); " + own.format("b")
    context = inspect(parallel_flow(tmp_path, [first], [second], before="context['lines'] = [0]")).context
    assert (context["score"], context["threshold"], context["angle"]) == (0.75, 0.6, 12.0)
    assert (context["save"], context["error"], context["lines"]) == (True, True, [0, "a", "b"])
    assert context["errors"] == ["a", "b"]


def test_what_a_branch_broke_is_told_and_does_not_break_the_join(tmp_path: Path) -> None:
    broken = "context.clear(); context.update(result='?', detectedRectangles=5, heatmaps=7, score='high')"
    box = BOX.replace("ID", "1")
    flow = parallel_flow(tmp_path, [broken], [f"context['detectedRectangles'].append({box})"])
    context = inspect(flow).context
    assert len(context["detectedRectangles"]) == 1
    assert (context["result"], context["error"]) == (False, True)
    told = " ".join(entry["message"] for entry in context["errors"])
    assert all(f"context['{key}'] is" in told for key in ("result", "detectedRectangles", "heatmaps", "score"))
    assert "context['image'], which code/b0_0.py left there, is None" in told


def test_blocks_can_lie_in_blocks(tmp_path: Path) -> None:
    inner = '{ module = "parallel", branches = [[{ module = "code", file = "code/a.py" }], []] }'
    tables = f'[[flow]]\nmodule = "parallel"\nbranches = [[{inner}], [{{ module = "code", file = "code/b.py" }}], []]\n'
    source = "def main(context, module_item): context['lines'].append(module_item['id'])"
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, tables, a=source, b=source)))).context
    assert context["lines"] == [3, 4]
    assert context["error"] is False


def test_a_context_that_holds_itself_can_be_handed_to_branches(tmp_path: Path) -> None:
    before = "context['loop'] = [context['items']]; context['items']['loop'] = context['loop']"
    look = "print(context['loop'][0]['loop'] is context['loop'])"
    assert inspect(parallel_flow(tmp_path, [look], before=before + "; del context['loop']")).context["error"] is True
    context = inspect(parallel_flow(tmp_path, [look], before=before, after="del context['loop']")).context
    assert (context["stdout"], context["error"]) == ("True\n", False)


def test_a_rectangle_that_holds_itself_does_not_break_the_join(tmp_path: Path) -> None:
    before = f"box = {BOX.replace('ID', '1')}; box['self'] = [box]; context['detectedRectangles'] = [box]"
    after = "print(len(context['detectedRectangles'])); context['detectedRectangles'] = []"
    context = inspect(parallel_flow(tmp_path, ["pass"], before=before, after=after)).context
    assert (context["stdout"], context["error"]) == ("1\n", False)


def test_a_context_too_deep_for_branches_is_told(tmp_path: Path) -> None:
    before = "for _ in range(5000): context['deep'] = [context.get('deep')]"
    context = inspect(parallel_flow(tmp_path, ["pass"], before=before)).context
    assert context["errors"][0]["message"] == "the context is nested too deeply to be handed to the branches"
    assert context["result"] is False


def run_built_in(module: Callable[[Context], None], context: Context) -> tuple[bool, Run]:
    run = Run.start(time.monotonic_ns() + 10**18)
    stage = Stage(4, "reference", built_in(module))
    run.stage = stage
    return stage.call(context, run), run


def test_a_module_of_ours_finds_an_image_and_lists_whatever_code_left() -> None:
    seen: list[Any] = []

    def look(context: Context) -> None:
        seen.append((context["image"].shape, context["detectedRectangles"], context["heatmaps"]))

    bgra = np.zeros((4, 5, 4), np.uint8)
    worked, run = run_built_in(look, {"image": bgra, "detectedRectangles": ({"id": 1},), "heatmaps": 5})
    assert worked
    assert seen == [((4, 5, 3), [{"id": 1}], [])]
    assert [entry["message"] for entry in run.errors] == ["context['heatmaps'] is 5, expected a list; it was emptied"]


def test_a_module_of_ours_does_not_run_on_what_is_no_image() -> None:
    worked, run = run_built_in(lambda context: context.update(ran=True), {"image": np.zeros(4)})
    assert not worked
    assert run.errors[0]["message"].startswith("context['image'] is an array (4,) of float64, expected")


def test_what_a_module_of_ours_refuses_becomes_an_error() -> None:
    def refuse(context: Context) -> None:
        raise ImageInvalid(f"no reference for {context['image'].shape}")

    worked, run = run_built_in(refuse, {"image": frame()})
    assert not worked
    (entry,) = run.errors
    assert (entry["message"], entry["type"]) == ("no reference for (6, 8, 3)", "image_invalid")
    assert (entry["module"], entry["moduleId"]) == ("reference", 4)
