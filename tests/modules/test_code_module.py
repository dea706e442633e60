"""User code: how it is called, what it prints, what happens when it fails, and what it can import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.projects import code_flow, frame, inspect, write_project
from workers.context.context import context_json
from workers.flow.flow import Flow
from workers.flow.project import load_project


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
    form = {"limit": 12}
    item = {"id": 1, "name": "step0", "label": "step0", "type": "CODE", "form": form, "formValues": form, "limit": 12}
    names = {"module_item": item, "form": form, "1": 1}
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
