"""What every table [[flow]] may say: how messages call the module, and whether it runs."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from tests.support.projects import frame, inspect, write_project
from workers.errors import DeadlineExceeded, ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.flow.registry import registry

FAILS = "def main(context): raise ValueError('no')"
ITEM = "def main(context, module_item): context['item'] = module_item"
ORDER = "def main(context, module_item): context.setdefault('order', []).append(module_item['id'])"
STEP = '{ module = "code", file = "code/order.py"'


def flow_of(folder: Path, flow: str, **code: str) -> Flow:
    return Flow.prepare(load_project(write_project(folder, flow, **code)))


@pytest.mark.parametrize(("name", "called"), [("", "fails"), ('name = "left screws"', "left screws")])
def test_errors_and_time_limits_call_a_module_by_its_name(tmp_path: Path, name: str, called: str) -> None:
    flow = flow_of(tmp_path, f'[[flow]]\nmodule = "code"\nfile = "code/fails.py"\n{name}', fails=FAILS)
    (entry,) = inspect(flow).context["errors"]
    assert (entry["module"], entry["moduleId"]) == (called, 1)
    with pytest.raises(DeadlineExceeded, match=rf"module 1 \({called}\)"):
        flow.run(frame(), data="", deadline_ns=0)


@pytest.mark.parametrize(("name", "called"), [("", "item"), ('name = "left screws"', "left screws")])
def test_code_is_told_its_name(tmp_path: Path, name: str, called: str) -> None:
    flow = flow_of(tmp_path, f'[[flow]]\nmodule = "code"\nfile = "code/item.py"\n{name}', item=ITEM)
    assert inspect(flow).context["item"]["name"] == called


def test_what_fails_in_reference_is_told_under_its_name(tmp_path: Path) -> None:
    options = 'module = "reference"\nimage = "references/{data}.png"'
    (tmp_path / "references").mkdir()
    cv2.imwrite(str(tmp_path / "references" / "b.png"), frame(40, 60))
    for name, called in [("", "reference"), ('name = "top side"', "top side")]:
        (entry,) = inspect(flow_of(tmp_path, f"[[flow]]\n{options}\n{name}"), data="a").context["errors"]
        assert entry["module"] == called


def test_a_module_that_is_not_enabled_does_not_run_and_keeps_its_place(tmp_path: Path) -> None:
    flow = f"""
        [[flow]]
        module = "code"
        file = "code/order.py"
        [[flow]]
        module = "code"
        file = "code/order.py"
        enabled = false
        [[flow]]
        module = "parallel"
        enabled = false
        branches = [[{STEP} }}], [{STEP} }}]]
        [[flow]]
        module = "code"
        file = "code/order.py"
        enabled = true
    """
    assert inspect(flow_of(tmp_path, flow, order=ORDER)).context["order"] == [1, 6]


def test_a_module_in_a_branch_can_be_out_and_one_that_fails_to_load_does_no_harm(tmp_path: Path) -> None:
    flow = """
        [[flow]]
        module = "code"
        file = "code/broken.py"
        enabled = ENABLED
        [[flow]]
        module = "parallel"
        branches = [[{ module = "code", file = "code/fails.py", enabled = false }], []]
    """
    broken = "import nowhere\n\ndef main(context): pass"
    out = flow_of(tmp_path, flow.replace("ENABLED", "false"), broken=broken, fails=FAILS)
    assert inspect(out).context["errors"] == []
    with pytest.raises(ProjectInvalid, match="nowhere"):
        flow_of(tmp_path, flow.replace("ENABLED", "true"), broken=broken, fails=FAILS)


def test_a_module_that_is_not_enabled_is_checked(tmp_path: Path) -> None:
    flow = '[[flow]]\nmodule = "code"\nfile = "code/gone.py"\nreadonly = 1\nenabled = false'
    with pytest.raises(ProjectInvalid) as caught:
        load_project(write_project(tmp_path, flow))
    assert caught.value.message.splitlines() == [
        "flow[0].readonly: should be a valid boolean, got 1",
        "flow[0].file: code/gone.py does not exist in the project",
    ]


@pytest.mark.parametrize("kind", registry().kinds)
def test_every_module_has_both_and_they_have_types(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ProjectInvalid) as caught:
        load_project(write_project(tmp_path, f'[[flow]]\nmodule = "{kind}"\nname = ""\nenabled = "no"'))
    told = caught.value.message.splitlines()
    assert "flow[0].name: string should have at least 1 character, got ''" in told
    assert "flow[0].enabled: should be a valid boolean, got 'no'" in told
