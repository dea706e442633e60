"""What is lost at the end of a branch is noted, each key by its name."""

from __future__ import annotations

from pathlib import Path

from tests.support.projects import inspect, write_project
from workers.context.run import MAX_NOTES
from workers.flow.flow import Flow
from workers.flow.project import load_project


def branches(folder: Path, *sources: str, before: str = "def main(context): pass") -> Flow:
    """A flow of a module, and branches of a module each."""
    listed = ", ".join(f'[{{ module = "code", file = "code/b{number}.py" }}]' for number, _ in enumerate(sources))
    flow = f'[[flow]]\nmodule = "code"\nfile = "code/before.py"\n[[flow]]\nmodule = "parallel"\nbranches = [{listed}]\n'
    files = {f"b{number}": source for number, source in enumerate(sources)}
    return Flow.prepare(load_project(write_project(folder, flow, before=before, **files)))


def test_each_key_that_a_branch_has_set_is_noted_with_its_branch_and_file(tmp_path: Path) -> None:
    one = "def main(context): context['width_mm'] = 4.5"
    two = "def main(context): context['width_mm'] = 5; context[7] = 'x'"
    context = inspect(branches(tmp_path, one, two)).context
    assert context["notes"] == [
        "module 2 (parallel), branch 1: the key 'width_mm' set by code/b0.py was dropped",
        "module 2 (parallel), branch 2: the key 'width_mm' set by code/b1.py was dropped",
        "module 2 (parallel), branch 2: the key 7 set by code/b1.py was dropped",
    ]
    assert "width_mm" not in context
    assert (context["errors"], context["error"], context["result"]) == ([], False, True)


def test_what_is_joined_or_was_there_before_is_not_noted(tmp_path: Path) -> None:
    before = """
        import numpy as np

        def main(context):
            context.update(part={"number": [1, 2]}, table=np.arange(6), text="abc")
            context["items"]["edge"] = np.zeros((2, 2))
    """
    quiet = """
        import numpy as np

        def main(context):
            context.update(result=False, score=0.5, angle=3.0, exit=True, save=True, text="abc", table=np.arange(6))
            context["lines"].append([1, 2])
            context["image"] = context["image"][:2]
            context["globalData"]["parts"] = 1
    """
    context = inspect(branches(tmp_path, quiet, quiet, before=before)).context
    assert "notes" not in context
    assert context["part"] == {"number": [1, 2]}


def test_what_a_branch_has_changed_in_place_is_noted_too(tmp_path: Path) -> None:
    before = """
        import numpy as np

        def main(context):
            context.update(part={"number": [1, 2]}, table=np.arange(6))
    """
    changes = """
        def main(context):
            context["part"]["number"].append(3)
            context["table"][2] = 9
            context["items"]["edge"] = 1
            context["operatorInput"]["shift"] = "late"
            context["data"] = "other"
    """
    context = inspect(branches(tmp_path, changes, before=before)).context
    where = "module 2 (parallel), branch 1: the key"
    assert sorted(context["notes"]) == [
        f"{where} 'data' set by code/b0.py was dropped",
        f"{where} 'part' was dropped",
        f"{where} 'table' was dropped",
        f"{where} items['edge'] was dropped",
        f"{where} operatorInput['shift'] was dropped",
    ]
    assert context["part"] == {"number": [1, 2]}
    assert context["table"].tolist() == [0, 1, 2, 3, 4, 5]


def test_there_are_only_so_many_notes(tmp_path: Path) -> None:
    many = "def main(context): context.update({f'key{n}': n for n in range(500)})"
    notes = inspect(branches(tmp_path, many, many)).context["notes"]
    assert len(notes) == MAX_NOTES + 1
    assert notes[-1] == f"more than {MAX_NOTES} notes: the rest is left out"


def test_a_branch_in_a_branch_tells_of_its_own(tmp_path: Path) -> None:
    inner = '{ module = "parallel", name = "inner", branches = [[{ module = "code", file = "code/set.py" }]] }'
    flow = f'[[flow]]\nmodule = "parallel"\nbranches = [[{inner}, {{ module = "code", file = "code/set.py" }}]]\n'
    setting = "def main(context): context[context.get('next', 'first')] = 1; context['next'] = 'second'"
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, flow, set=setting)))).context
    dropped = "set by code/set.py was dropped"
    assert context["notes"] == [
        f"module 2 (inner), branch 1: the key 'first' {dropped}",
        f"module 2 (inner), branch 1: the key 'next' {dropped}",
        f"module 1 (parallel), branch 1: the key 'first' {dropped}",
        f"module 1 (parallel), branch 1: the key 'next' {dropped}",
    ]
