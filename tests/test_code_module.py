"""User code: how it is called, what it prints, what happens when it fails, and what it can import."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from projects import code_flow, frame, inspect, write_project

from workers.errors import ProjectInvalid
from workers.flow.context import context_json
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.flow.run import MAX_OUTPUT_BYTES

CHECK = '[[flow]]\nmodule = "code"\nfile = "code/check.py"\n'


def error_of(folder: Path, source: str) -> dict[str, Any]:
    """Return the only error of a flow with one module, which must have failed."""
    context = json.loads(context_json(inspect(code_flow(folder, source)).context))
    assert (context["error"], context["result"]) == (True, False)
    (entry,) = context["errors"]
    return dict(entry)


@pytest.mark.parametrize(
    ("signature", "seen"),
    [
        ("context", "1, 1"),
        ("context, module_item", "module_item, 1"),
        ("context, form", "1, form"),
        ("context, module_item, form", "module_item, form"),
        ("context, form, module_item", "module_item, form"),
        ("context, module_item=None", "module_item, 1"),
        ("context, *, form", "1, form"),
    ],
)
def test_main_is_called_with_what_it_asks_for(tmp_path: Path, signature: str, seen: str) -> None:
    source = f"def main({signature}):\n    context['seen'] = [{seen}]\n"
    context = inspect(code_flow(tmp_path, source, options="form = { limit = 12 }")).context
    item = {"id": 1, "name": "step0", "type": "CODE", "form": {"limit": 12}}
    names = {"module_item": item, "form": {"limit": 12}, "1": 1}
    assert context["seen"] == [names[name] for name in seen.split(", ")]
    assert context["errors"] == []


def test_data_reaches_user_code_and_is_not_part_of_the_answer(tmp_path: Path) -> None:
    context = inspect(code_flow(tmp_path, "def main(context): context['mark'] = context['data']"), data="žluťoučký\0")
    assert context.context["mark"] == "žluťoučký\0"
    assert "data" not in context.context


def test_form_values_are_new_for_every_frame(tmp_path: Path) -> None:
    source = """
        def main(context, module_item, form):
            context["was"] = [list(form["seen"]), dict(module_item)]
            form["seen"].append(1)
            module_item["name"] = "changed"
    """
    flow = code_flow(tmp_path, source, options="form = { seen = [] }")
    inspect(flow)
    assert inspect(flow).context["was"][0] == []
    assert inspect(flow).context["was"][1]["name"] == "step0"


def test_code_sets_verdict_score_and_custom_keys(tmp_path: Path) -> None:
    source = """
        import numpy as np

        def main(context):
            context["result"] = bool(context["image"].mean() > 200)
            context["score"] = np.float32(0.25)
            context["part"] = {"number": 7}
    """
    context = inspect(code_flow(tmp_path, source)).context
    assert (context["result"], context["score"], context["part"]) == (False, 0.25, {"number": 7})
    assert context["error"] is False


def test_half_done_rectangles_are_whole_for_the_next_module_and_in_the_answer(tmp_path: Path) -> None:
    first = """
        def main(context):
            context["detectedRectangles"].append({"x": 1, "y": 2, "width": 3, "height": 4})
    """
    second = """
        def main(context):
            context["seen"] = context["detectedRectangles"][0]["source"]["moduleId"]
            context["detectedRectangles"] += [{"x": 0, "y": 0, "width": 1, "height": 1}]
    """
    context = inspect(code_flow(tmp_path, first, second)).context
    assert context["seen"] == 1
    assert [item["source"]["moduleId"] for item in context["detectedRectangles"]] == [1, 2]
    assert [item["id"] for item in context["detectedRectangles"]] == [1, 2]
    assert context["detectedRectangles"][0]["area"] == 12.0


def test_globals_live_on_between_frames_and_the_context_does_not(tmp_path: Path) -> None:
    source = """
        seen = 0
        kept = []

        def main(context):
            global seen
            seen += 1
            context["seen"] = seen
            context["first"] = "leftover" not in context and context["items"] == {} and context["globalData"] == {}
            context["leftover"] = context["items"]["x"] = context["globalData"]["x"] = 1
            kept.append(context)
            if seen > 1:
                context["old"] = kept[0]["seen"]
    """
    flow = code_flow(tmp_path, source)
    contexts = [inspect(flow).context for _ in range(3)]
    assert [context["seen"] for context in contexts] == [1, 2, 3]
    assert all(context["first"] for context in contexts)
    assert contexts[2]["old"] == 1


def test_code_writes_to_its_own_copy_and_never_to_the_frame(tmp_path: Path) -> None:
    image = frame()
    before = image.copy()
    inspection = inspect(code_flow(tmp_path, "def main(context): context['image'][:] = 7"), image)
    assert (inspection.image == 7).all()
    assert np.array_equal(image, before)
    assert not np.shares_memory(inspection.image, image)


def test_a_frame_that_could_be_written_to_is_not_written_to_either(tmp_path: Path) -> None:
    image = np.zeros((4, 5), np.uint8)
    inspection = inspect(code_flow(tmp_path, "def main(img): img += 1"), image)
    assert (inspection.image == 1).all()
    assert (image == 0).all()


def test_the_frame_is_copied_once_for_all_modules(tmp_path: Path) -> None:
    source = "def main(context): context.setdefault('where', []).append(context['image'].ctypes.data)"
    image = frame()
    context = inspect(code_flow(tmp_path, source, source, source), image).context
    assert len(set(context["where"])) == 1
    assert context["where"][0] != image.ctypes.data


def test_readonly_code_sees_the_frame_itself_and_cannot_write_to_it(tmp_path: Path) -> None:
    image = frame()
    source = """
        def main(context):
            context["where"] = context["image"].ctypes.data
            try:
                context["image"][0] = 1
            except ValueError as error:
                context["refused"] = str(error)
    """
    inspection = inspect(code_flow(tmp_path, source, options="readonly = true"), image)
    assert inspection.context["where"] == image.ctypes.data
    assert "read-only" in inspection.context["refused"]
    assert inspection.image is image


def test_readonly_code_between_others_costs_no_second_copy(tmp_path: Path) -> None:
    note = "def main(context): context.setdefault('seen', []).append([context['image'].ctypes.data, {}])"
    source = note.format("context['image'].flags.writeable")
    tables = "".join(
        f'[[flow]]\nmodule = "code"\nfile = "code/note.py"\nreadonly = {readonly}\n'
        for readonly in ("false", "true", "false")
    )
    context = inspect(Flow.prepare(load_project(write_project(tmp_path, tables, note=source)))).context
    assert [writeable for _, writeable in context["seen"]] == [True, False, True]
    assert len({where for where, _ in context["seen"]}) == 1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return img[1:3, ::2]", lambda image: image[1:3, ::2]),
        ("return img[:, :, 0]", lambda image: image[:, :, 0]),
        ("return img[:, :, :1]", lambda image: image[:, :, 0]),
        ("return np.dstack([img, img[:, :, :1]])", lambda image: image),
        ("img //= 2", lambda image: image // 2),
        ("return None", lambda image: image),
    ],
)
def test_a_main_of_the_old_kind_gets_the_image_and_may_return_another(tmp_path: Path, body: str, expected: Any) -> None:
    inspection = inspect(code_flow(tmp_path, f"import numpy as np\ndef main(img):\n    {body}\n"))
    assert np.array_equal(inspection.image, expected(frame()))
    assert inspection.image.flags.c_contiguous
    height, width = inspection.image.shape[:2]
    assert inspection.context["imageShape"] == {"height": height, "width": width}
    assert inspection.context["errors"] == []


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("img / 255", "an array (6, 8, 3) of float64"),
        ("img > 7", "an array (6, 8, 3) of bool"),
        ("img.astype('uint16')", "an array (6, 8, 3) of uint16"),
        ("img[:, :, :2]", "an array (6, 8, 2) of uint8"),
        ("img[0, 0]", "an array (3,) of uint8"),
        ("img[:0]", "an array (0, 8, 3) without a pixel"),
        ("[1, 2]", "a list"),
        ("'image'", "'image'"),
    ],
)
def test_an_image_that_is_none_is_an_error_and_the_frame_stands_in(tmp_path: Path, value: str, what: str) -> None:
    image = frame()
    inspection = inspect(code_flow(tmp_path, f"def main(img): return {value}"), image)
    expected = "expected a uint8 array (h, w) grey, (h, w, 3) BGR or (h, w, 4) BGRA"
    assert inspection.context["errors"][0]["message"] == (
        f"context['image'], which code/step0.py left there, is {what}, {expected}"
    )
    assert inspection.context["result"] is False
    assert inspection.image is image


def test_between_code_modules_an_image_may_be_anything(tmp_path: Path) -> None:
    halve = "def main(context): context['image'] = context['image'] / 2.0"
    back = "def main(context): context['image'] = context['image'].astype('uint8')"
    inspection = inspect(code_flow(tmp_path, halve, back))
    assert np.array_equal(inspection.image, frame() // 2)
    assert inspection.context["error"] is False


def test_an_exception_is_told_with_file_and_line_of_the_users_code(tmp_path: Path) -> None:
    source = """\
        import json

        def read(text):
            return json.loads(text)

        def main(context):
            read("{")
    """
    assert error_of(tmp_path, source) == {
        "message": "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        "type": "JSONDecodeError",
        "file": "code/step0.py",
        "line": 4,
        "module": "step0",
        "moduleId": 1,
    }


def test_an_exception_in_a_helper_is_told_where_it_is(tmp_path: Path) -> None:
    write_project(tmp_path, CHECK, check="import lib.deep\ndef main(context): lib.deep.fail()", unused="")
    (tmp_path / "code" / "lib").mkdir()
    (tmp_path / "code" / "lib" / "deep.py").write_text("def fail():\n\n    1 / 0\n")
    (entry,) = inspect(Flow.prepare(load_project(tmp_path))).context["errors"]
    assert (entry["file"], entry["line"], entry["module"]) == ("code/lib/deep.py", 3, "check")


@pytest.mark.parametrize(
    ("statement", "kind", "message"),
    [
        ("raise SystemExit(3)", "SystemExit", "3"),
        ("import sys; sys.exit()", "SystemExit", ""),
        ("raise KeyboardInterrupt", "KeyboardInterrupt", ""),
        ("raise MemoryError", "MemoryError", ""),
        ("raise GeneratorExit", "GeneratorExit", ""),
        ("raise BaseException('\\udc80')", "BaseException", "\\udc80"),
        ("raise ExceptionGroup('two', [ValueError(1), ValueError(2)])", "ExceptionGroup", "two (2 sub-exceptions)"),
        ("raise ValueError('x' * 10_000)", "ValueError", "x" * 4096),
        ("import check_nothing", "ModuleNotFoundError", "No module named 'check_nothing'"),
        ("context['no such key']", "KeyError", "'no such key'"),
        ("context.clear(); 1 / 0", "ZeroDivisionError", "division by zero"),
    ],
)
def test_whatever_is_raised_becomes_an_error(tmp_path: Path, statement: str, kind: str, message: str) -> None:
    flow = code_flow(tmp_path, f"def main(context):\n    {statement}\n")
    context = inspect(flow).context
    entry = context["errors"][0]
    assert (entry["type"], entry["message"], entry["line"], entry["file"]) == (kind, message, 2, "code/step0.py")
    assert (context["error"], context["result"]) == (True, False)
    assert context_json(context)


def test_endless_recursion_becomes_an_error(tmp_path: Path) -> None:
    entry = error_of(tmp_path, "def again(n): return again(n + 1)\n\ndef main(context): again(0)\n")
    assert (entry["type"], entry["file"], entry["line"]) == ("RecursionError", "code/step0.py", 1)


def test_an_exception_that_cannot_say_what_it_is_becomes_an_error(tmp_path: Path) -> None:
    source = """
        class Bad(Exception):
            def __str__(self):
                raise SystemExit

        def main(context):
            raise Bad
    """
    entry = error_of(tmp_path, source)
    assert (entry["type"], entry["message"]) == ("Bad", "(no text: its __str__ raised SystemExit)")


def test_a_file_that_is_imported_late_is_told_with_its_own_line(tmp_path: Path) -> None:
    project = load_project(write_project(tmp_path, CHECK, check="def main(context): __import__('late')"))
    flow = Flow.prepare(project)
    write_project(tmp_path, CHECK, late="\n\nx = = 1\n")
    (entry,) = inspect(flow).context["errors"]
    assert (entry["type"], entry["file"], entry["line"]) == ("SyntaxError", "code/late.py", 3)


def test_modules_after_one_that_failed_do_not_run(tmp_path: Path) -> None:
    after = "def main(context): context['result'] = True; context['ran'] = True"
    context = inspect(code_flow(tmp_path, "def main(context): 1 / 0", after)).context
    assert "ran" not in context
    assert (context["result"], context["errors"][0]["moduleId"]) == (False, 1)


def test_a_frame_after_one_that_failed_is_a_fresh_start(tmp_path: Path) -> None:
    source = "def main(context):\n    print('here')\n    if context['data'] == 'bad': raise SystemExit\n"
    flow = code_flow(tmp_path, source)
    assert inspect(flow, data="bad").context["error"] is True
    context = inspect(flow, data="good").context
    assert (context["error"], context["errors"], context["result"]) == (False, [], True)
    assert context["stdout"] == "here\n"


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
