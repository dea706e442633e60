"""How long modules take, how long they may, and what code finds of its frame."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.projects import code_flow, frame, inspect, write_project
from workers.context.origin import Origin
from workers.errors import DeadlineExceeded, ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project

NAP = """
    import time

    def main(context, form):
        time.sleep(form["s"])
        context["slept"] = context.get("slept", 0) + 1
"""


def naps(folder: Path, *tables: str) -> Flow:
    """A flow of modules that sleep, each with its options."""
    flow = "\n".join(f'[[flow]]\nmodule = "code"\nfile = "code/nap.py"\n{table}' for table in tables)
    return Flow.prepare(load_project(write_project(folder, flow, nap=NAP)))


def test_every_module_says_its_time_in_the_order_of_the_flow_those_in_branches_too(tmp_path: Path) -> None:
    flow = """
        [[flow]]
        module = "code"
        file = "code/nap.py"
        name = "first"
        form = { s = 0.002 }
        [[flow]]
        module = "parallel"
        branches = [
            [{ module = "code", file = "code/nap.py", form = { s = 0.003 } }, { module = "brightness" }],
            [{ module = "code", file = "code/nap.py", name = "other", form = { s = 0 } }],
        ]
        [[flow]]
        module = "brightness"
        enabled = false
        [[flow]]
        module = "only_if"
        expression = "false"
        [[flow]]
        module = "brightness"
    """
    timings = inspect(Flow.prepare(load_project(write_project(tmp_path, flow, nap=NAP)))).context["timings"]
    assert [(each["moduleId"], each["module"]) for each in timings] == [
        (1, "first"),
        (2, "parallel"),
        (3, "nap"),
        (4, "brightness"),
        (5, "other"),
        (7, "only_if"),
    ]
    ms = {each["moduleId"]: each["ms"] for each in timings}
    assert ms[1] >= 2
    assert ms[2] >= ms[3] + ms[4] + ms[5] >= 3
    assert all(set(each) == {"moduleId", "module", "ms"} and each["ms"] >= 0 for each in timings)


def test_a_module_that_failed_has_its_time_too_and_an_empty_flow_has_none(tmp_path: Path) -> None:
    context = inspect(
        code_flow(tmp_path / "a", "def main(context): raise ValueError", "def main(context): pass")
    ).context
    assert [each["module"] for each in context["timings"]] == ["step0"]
    empty = Flow.prepare(load_project(write_project(tmp_path / "b")))
    assert "timings" not in inspect(empty).context
    fake = inspect(code_flow(tmp_path / "c", "def main(context): context['timings'] = 'mine'")).context
    assert [each["module"] for each in fake["timings"]] == ["step0"]


def test_what_takes_longer_than_its_limit_is_an_error_that_names_it_and_ends_the_flow(tmp_path: Path) -> None:
    flow = naps(tmp_path, "limit_ms = 10000\nform = { s = 0 }", "limit_ms = 5\nname = 'slow'\nform = { s = 0.02 }", "")
    context = inspect(flow).context
    (error,) = context["errors"]
    assert error["message"].startswith("module 2 (slow) took longer than it may (limit_ms = 5): ")
    assert error["message"].endswith(" ms; the flow ends there")
    assert (error["module"], error["moduleId"], error["type"]) == ("slow", 2, "ModuleTookTooLong")
    assert (context["result"], context["error"], context["slept"]) == (False, True, 2)
    assert [each["moduleId"] for each in context["timings"]] == [1, 2]


def test_a_block_ends_between_its_modules_where_its_time_is_over(tmp_path: Path) -> None:
    nap = '{ module = "code", file = "code/nap.py", form = { s = 0.02 } }'
    flow = f"""
        [[flow]]
        module = "parallel"
        limit_ms = 10
        branches = [[{nap}, {nap}], [{nap}]]
    """
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, flow, nap=NAP)))).context
    (error,) = context["errors"]
    assert error["message"].startswith("module 1 (parallel) took longer than it may (limit_ms = 10)")
    assert [each["moduleId"] for each in context["timings"]] == [1, 2]
    assert (context["result"], "slept" in context) == (False, False)


def test_the_frames_own_deadline_counts_where_it_comes_first(tmp_path: Path) -> None:
    flow = naps(tmp_path, "limit_ms = 60000\nform = { s = 0.02 }", "form = { s = 0 }")
    with pytest.raises(DeadlineExceeded, match=r"was over before module 2 \(nap\) could run"):
        flow.run(frame(), data="", deadline_ns=time.monotonic_ns() + 5_000_000)


def test_who_ends_what_hangs_is_told_until_when_and_what(tmp_path: Path) -> None:
    nap = '{ module = "code", file = "code/nap.py", limit_ms = 500, form = { s = 0 } }'
    flow = f'[[flow]]\nmodule = "parallel"\nlimit_ms = 900\nname = "both"\nbranches = [[{nap}], [{nap}]]\n'
    told: list[tuple[int, str]] = []
    prepared = Flow.prepare(load_project(write_project(tmp_path, flow, nap=NAP)))
    begun = time.monotonic_ns()
    prepared.run(frame(), data="", deadline_ns=1 << 62, watched=lambda until_ns, words: told.append((until_ns, words)))
    block, inner = "module 1 (both) took longer than it may (limit_ms = 900)", "(nap) took longer than it may"
    assert [words.replace("module 2 ", "").replace("module 3 ", "")[: len(block)] for _, words in told] == [
        block,
        f"{inner} (limit_ms = 500)",
        block,
        f"{inner} (limit_ms = 500)",
        block,
        "",
    ]
    assert told[0][0] == told[2][0] == told[4][0] >= begun + 900_000_000
    assert told[5] == (0, "")
    assert begun + 500_000_000 <= told[1][0] < told[0][0]


def test_a_limit_is_a_whole_number_of_milliseconds(tmp_path: Path) -> None:
    with pytest.raises(ProjectInvalid) as caught:
        naps(tmp_path, "limit_ms = 0\nform = { s = 0 }", "limit_ms = 'long'\nform = { s = 0 }")
    assert caught.value.message.splitlines() == [
        "flow[0].limit_ms: should be greater than or equal to 1, got 0",
        "flow[1].limit_ms: should be a valid integer, got 'long'",
    ]


ABOUT = """
    import time

    def main(context, module_item):
        time.sleep(0.002)
        context.setdefault("seen", []).append({**context["frame"]})
"""


def about(flow: Flow, deadline_ns: int, origin: Origin | None = None) -> list[dict[str, Any]]:
    context = flow.run(frame(), data="", deadline_ns=deadline_ns, origin=origin).context
    assert "frame" not in context
    seen: list[dict[str, Any]] = context["seen"]
    return seen


def test_code_finds_the_id_camera_time_and_remaining_time_of_its_frame(tmp_path: Path) -> None:
    flow = code_flow(tmp_path, ABOUT, ABOUT)
    came = dt.datetime(2026, 11, 28, 8, 30, 15, 250_000, tzinfo=dt.UTC)
    deadline_ns = time.monotonic_ns() + 5_000_000_000
    first, second = about(flow, deadline_ns, Origin(int(came.timestamp()) * 10**9 + 250_000_000, 7, "left"))
    assert first.keys() == {"id", "camera", "part", "view", "time", "remainingMs", "requestId", "traceparent"}
    assert first["camera"] == "left"
    assert first["time"] == "2026-11-28T08:30:15.250000+00:00"
    assert dt.datetime.fromisoformat(first["time"]) == came
    assert 0 < second["remainingMs"] <= first["remainingMs"] - 2 <= 4998
    ids = [about(flow, deadline_ns)[0]["id"] for _ in range(20)]
    assert len({*ids, first["id"]}) == 21
    assert first["id"] == second["id"]
    assert ids == sorted(ids)


def test_a_modules_limit_is_what_remains_to_it(tmp_path: Path) -> None:
    flow = code_flow(tmp_path, ABOUT, options="limit_ms = 1000")
    assert about(flow, time.monotonic_ns() + 5_000_000_000)[0]["remainingMs"] <= 1000


def test_a_value_of_the_codes_own_under_its_name_goes_out(tmp_path: Path) -> None:
    context = inspect(code_flow(tmp_path, "def main(context): context['frame'] = 'steel'")).context
    assert context["frame"] == "steel"


def test_expressions_read_it(tmp_path: Path) -> None:
    flow = "[[flow]]\nmodule = 'only_if'\nexpression = 'frame.camera == \"left\"'\n[[flow]]\nmodule = 'brightness'\n"
    prepared = Flow.prepare(load_project(write_project(tmp_path, flow)))
    for camera, ran in (("left", 2), ("right", 1)):
        context = prepared.run(frame(), data="", deadline_ns=1 << 62, origin=Origin(1, 0, camera)).context
        assert len(context["timings"]) == ran
