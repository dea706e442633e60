"""What user code does that has no effect: a note in the answer, and one of `framemill check`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.projects import code_flow, inspect, write_project
from tests.support.running import command
from workers.modules.code.ineffective import ineffective_in

FLOW = '[[flow]]\nmodule = "code"\nfile = "code/look.py"\n'


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        ("{**context, 'result': False}", "a dict"),
        ("False", "False"),
        ("True", "True"),
        ("context['image']", "a ndarray"),
    ],
)
def test_what_main_returns_is_noted_by_its_module(returned: str, shown: str, tmp_path: Path) -> None:
    flow = code_flow(tmp_path, "def main(context):\n    pass\n", f"def main(context):\n    return {returned}\n")
    context = inspect(flow).context
    assert context["result"] is True
    assert context["notes"] == [
        f"module 2 (step1): what main returned, {shown}, does not count: it changes the context in place"
    ]


@pytest.mark.parametrize("code", ["return context", "return None", "return", "pass"])
def test_a_main_that_returns_its_context_or_nothing_is_not_noted(code: str, tmp_path: Path) -> None:
    assert "notes" not in inspect(code_flow(tmp_path, f"def main(context):\n    {code}\n")).context


@pytest.mark.parametrize("name", ["ctx", "cxt", "Context", "contex", "kontext", "_context", "frame_context"])
def test_a_main_that_is_given_the_image_and_means_the_context_is_noted(name: str, tmp_path: Path) -> None:
    context = inspect(code_flow(tmp_path, f"def main({name}):\n    pass\n")).context
    assert context["notes"] == [
        f"module 1 (step0): main({name}) is given the image, for its parameter is not called context"
    ]


@pytest.mark.parametrize("name", ["img", "image", "frame", "x", "picture", "content", "bild", "src"])
def test_a_main_that_means_the_image_is_not_noted(name: str, tmp_path: Path) -> None:
    assert "notes" not in inspect(code_flow(tmp_path, f"def main({name}):\n    return {name}\n")).context


def test_notes_of_a_frame_do_not_stay_for_the_next(tmp_path: Path) -> None:
    flow = code_flow(tmp_path, "def main(context):\n    if context['data']:\n        return 1\n")
    assert [len(inspect(flow, data=data).context.get("notes", ())) for data in ("a", "b", "")] == [1, 1, 0]


RETURNS = "what main returns does not count: it changes the context in place (context['result'])"
IMAGE = "is given the image, for its parameter is not called context"
STOP = "stop takes an argument, so it is not called when its worker ends; write stop()"


@pytest.mark.parametrize(
    ("source", "notes"),
    [
        ("def main(context):\n    return dict(context)\n", [f"line 2: {RETURNS}"]),
        ("def main(context):\n    if context:\n        return False\n    return context\n", [f"line 3: {RETURNS}"]),
        ("def main(context, form):\n    def inner():\n        return 1\n    for i in form:\n        return None\n", []),
        ("def main(context):\n    key = lambda x: x\n    class A:\n        def f(self):\n            return 1\n", []),
        ("def helper(context):\n    return 1\n\ndef main(context):\n    helper(context)\n", []),
        ("def main(ctx):\n    pass\n", [f"line 1: main(ctx) {IMAGE}; write main(context)"]),
        ("def main(part):\n    part['result'] = False\n", [f"line 1: main(part) {IMAGE}; write main(context)"]),
        ("def main(img):\n    print('seen')\n", [f"line 1: main(img) {IMAGE}, and makes nothing of it"]),
        ("def main(img):\n    img[0] = 0\n    return img\n", []),
        ("def main(context):\n    pass\n\ndef stop(why):\n    pass\n", [f"line 4: {STOP}"]),
        ("def main(context):\n    pass\n\ndef stop(why=None):\n    pass\n", []),
        ("def stop(motor):\n    pass\n", []),
    ],
)  # fmt: skip
def test_what_has_no_effect_is_found_in_the_source(source: str, notes: list[str], tmp_path: Path) -> None:
    project = write_project(tmp_path, FLOW, look=source)
    assert list(ineffective_in(project)) == [f"code/look.py: {note}" for note in notes]


def test_check_says_so_and_finds_no_mistake(tmp_path: Path) -> None:
    project = write_project(tmp_path, FLOW, look="def main(context):\n    return False\n")
    done = command("check", project)
    assert done.returncode == 0
    assert f"note: code/look.py: line 2: {RETURNS}\n" in done.stdout


@pytest.mark.parametrize(
    ("name", "whose"),
    [("service", "the server's own package"), ("numpy", "the server's library"), ("random", "Python's module")],
)
def test_a_file_that_hides_a_module_is_told_whose_that_is(name: str, whose: str, tmp_path: Path) -> None:
    project = write_project(tmp_path, FLOW, look="def main(context):\n    pass\n", **{name: ""})
    done = command("check", project)
    assert done.returncode == 3
    assert f"code/{name}.py: hides {whose} {name} from all who import that; rename it" in done.stderr
