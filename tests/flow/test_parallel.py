"""Parallel blocks: what branches see, and what comes together behind them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from tests.support.projects import frame, inspect, write_project
from workers.errors import DeadlineExceeded
from workers.flow.flow import Flow
from workers.flow.project import load_project

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
