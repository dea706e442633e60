"""The user's Python: what it prints, what it can import, and what is told where it cannot be loaded."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import pytest

from tests.support.projects import code_flow, inspect, write_project
from workers.context.context import context_json
from workers.context.printed import MAX_OUTPUT_BYTES
from workers.errors import ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project

CHECK = '[[flow]]\nmodule = "code"\nfile = "code/check.py"\n'


def test_what_all_modules_print_comes_back_and_goes_nowhere_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    source = """
        import logging, sys

        def main(context):
            print("řádek", context["data"], flush=True)
            print("problem", file=sys.stderr)
            sys.stdout.writelines(["a", "b\\n"])
    """
    context = inspect(code_flow(tmp_path, source, source), data="7").context
    assert context["stdout"] == "řádek 7\nab\n" * 2
    assert context["stderr"] == "problem\n" * 2
    assert capfd.readouterr() == ("", "")


def test_what_was_printed_before_an_exception_comes_back(tmp_path: Path) -> None:
    context = inspect(code_flow(tmp_path, "def main(context):\n    print('before')\n    1 / 0\n")).context
    assert context["stdout"] == "before\n"


@pytest.mark.parametrize("statement", ["print('x' * 10**6)", "[print('ž') for _ in range(10**5)]"])
def test_output_is_bounded_and_says_so(tmp_path: Path, statement: str) -> None:
    context = inspect(code_flow(tmp_path, f"def main(context):\n    {statement}\n")).context
    kept, mark = context["stdout"].rsplit("\n[", 1)
    assert MAX_OUTPUT_BYTES - 4 <= len(kept.encode()) <= MAX_OUTPUT_BYTES
    assert mark == f"cut: more than {MAX_OUTPUT_BYTES} bytes were printed]\n"
    assert context["stderr"] == ""


def test_output_of_just_the_limit_is_whole(tmp_path: Path) -> None:
    source = f"def main(context): print('x' * {MAX_OUTPUT_BYTES}, end='')"
    assert inspect(code_flow(tmp_path, source)).context["stdout"] == "x" * MAX_OUTPUT_BYTES


def test_text_that_utf_8_cannot_hold_is_printed_as_an_escape(tmp_path: Path) -> None:
    context = inspect(code_flow(tmp_path, "def main(context): print('\\udc80')")).context
    assert context["stdout"] == "\\udc80\n"
    assert context_json(context)


def test_streams_are_the_processs_own_again_after_any_ending(tmp_path: Path) -> None:
    before = sys.stdout, sys.stderr
    source = "import sys\ndef main(context):\n    sys.stdout = sys.stderr = None\n    raise SystemExit\n"
    inspect(code_flow(tmp_path, source))
    assert (sys.stdout, sys.stderr) == before


def test_files_in_code_import_each_other_once(tmp_path: Path) -> None:
    helper = "loads = []\nloads.append(1)\n"
    first = "import helper\ndef main(context):\n    helper.loads.append(2)\n"
    second = "from helper import loads\ndef main(context):\n    import helper\n    context['loads'] = [*helper.loads]\n"
    tables = '[[flow]]\nmodule = "code"\nfile = "code/one.py"\n[[flow]]\nmodule = "code"\nfile = "code/two.py"\n'
    write_project(tmp_path, tables, helper=helper, one=first, two=second)
    assert inspect(Flow.prepare(load_project(tmp_path))).context["loads"] == [1, 2]


def test_projects_in_one_process_do_not_see_each_others_modules(tmp_path: Path) -> None:
    source = """
        import helper

        def main(context):
            import late
            context["who"] = [helper.WHO, late.WHO, __import__("helper").WHO]
    """
    flows = {}
    for who in ("a", "b"):
        folder = write_project(tmp_path / who, CHECK, check=source, helper=f"WHO = '{who}'", late=f"WHO = '{who}'")
        flows[who] = Flow.prepare(load_project(folder))
    for who in ("a", "b", "a", "a", "b"):
        assert inspect(flows[who]).context["who"] == [who] * 3
    assert len([path for path in sys.path if path.startswith(str(tmp_path))]) == 1


def test_a_project_that_is_prepared_again_is_read_again_with_fresh_state(tmp_path: Path) -> None:
    source = "n = {}\ndef main(context):\n    global n\n    n += 1\n    context['n'] = n\n"
    old = code_flow(tmp_path, source.format(1))
    assert inspect(old).context["n"] == 2
    new = code_flow(tmp_path, source.format(5))
    assert [inspect(flow).context["n"] for flow in (new, old, new)] == [6, 3, 7]
    assert not list((tmp_path / "code").rglob("*.pyc"))


def test_user_classes_can_be_pickled_and_dataclasses_made(tmp_path: Path) -> None:
    source = """
        from __future__ import annotations
        import pickle
        from dataclasses import dataclass

        @dataclass
        class Part:
            number: int

        def main(context):
            context["part"] = pickle.loads(pickle.dumps(Part(7)))
    """
    assert json.loads(context_json(inspect(code_flow(tmp_path, source)).context))["part"] == {"number": 7}


def test_flows_in_several_threads_keep_their_output_apart(tmp_path: Path) -> None:
    source = """
        import sys

        def main(context):
            for number in range(200):
                print(context["data"])
    """
    flows = [code_flow(tmp_path / name, source) for name in "abcd"]
    outputs: list[set[str]] = [set() for _ in flows]

    def work(index: int) -> None:
        for _ in range(20):
            outputs[index].add(inspect(flows[index], data=str(index)).context["stdout"])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outputs == [{f"{index}\n" * 200} for index in range(4)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import no_such_thing\ndef main(context): pass", "line 1: ModuleNotFoundError: No module named"),
        ("def main(context): pass\n\nraise SystemExit(2)", "line 3: SystemExit: 2"),
        ("import helper\ndef main(context): pass", "code/helper.py, line 2: ZeroDivisionError: division by zero"),
        ("from helper2 import main", "main takes no argument"),
        ("main = 3", "has no function main"),
        ("def main(context): yield", "main is async or has a yield"),
    ],
)
def test_code_that_cannot_be_loaded_is_told_with_module_file_and_line(
    tmp_path: Path, source: str, expected: str
) -> None:
    write_project(tmp_path, CHECK, check=source, helper="\n1 / 0\n", helper2="def main(): pass")
    project = load_project(tmp_path)
    with pytest.raises(ProjectInvalid) as caught:
        Flow.prepare(project)
    assert caught.value.message.startswith("flow[0]: code/")
    assert expected in caught.value.message


def test_all_modules_that_cannot_be_loaded_are_told(tmp_path: Path) -> None:
    broken = "raise ValueError('{}\\n in two lines')\ndef main(context): pass"
    with pytest.raises(ProjectInvalid) as caught:
        code_flow(tmp_path, broken.format("one"), "def main(context): pass", broken.format("three"))
    assert caught.value.message.splitlines() == [
        "flow[0]: code/step0.py, line 1: ValueError: one in two lines",
        "flow[2]: code/step2.py, line 1: ValueError: three in two lines",
    ]


def test_a_file_whose_name_is_taken_by_a_loaded_module_is_told(tmp_path: Path) -> None:
    write_project(tmp_path, '[[flow]]\nmodule = "code"\nfile = "code/pytest.py"', pytest="def main(context): pass")
    with pytest.raises(ProjectInvalid, match="another Python module is called pytest"):
        Flow.prepare(load_project(tmp_path))


def test_an_exception_in_a_helper_is_told_where_it_is(tmp_path: Path) -> None:
    write_project(tmp_path, CHECK, check="import lib.deep\ndef main(context): lib.deep.fail()", unused="")
    (tmp_path / "code" / "lib").mkdir()
    (tmp_path / "code" / "lib" / "deep.py").write_text("def fail():\n\n    1 / 0\n")
    (entry,) = inspect(Flow.prepare(load_project(tmp_path))).context["errors"]
    assert (entry["file"], entry["line"], entry["module"]) == ("code/lib/deep.py", 3, "check")


def test_a_file_that_is_imported_late_is_told_with_its_own_line(tmp_path: Path) -> None:
    project = load_project(write_project(tmp_path, CHECK, check="def main(context): __import__('late')"))
    flow = Flow.prepare(project)
    write_project(tmp_path, CHECK, late="\n\nx = = 1\n")
    (entry,) = inspect(flow).context["errors"]
    assert (entry["type"], entry["file"], entry["line"]) == ("SyntaxError", "code/late.py", 3)
