"""The project file: what is read, and that every mistake is told, each with its key path."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.projects import HEAD, write_project
from workers.errors import ProjectInvalid
from workers.flow.project import Project, load_project
from workers.flow.registry import registry
from workers.modules.code.options import CodeOptions

PASSES = "def main(context):\n    pass\n"


def mistakes(folder: Path) -> list[str]:
    with pytest.raises(ProjectInvalid) as caught:
        load_project(folder)
    return caught.value.message.splitlines()


def only_mistake(folder: Path) -> str:
    (mistake,) = mistakes(folder)
    return mistake


def with_check(folder: Path, source: str) -> Path:
    return write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/check.py"', check=source)


def test_a_project_without_a_flow_is_valid(tmp_path: Path) -> None:
    project = load_project(write_project(tmp_path))
    here = tmp_path.resolve()
    assert project == Project(here, "test", idempotent=True, server={}, steps=(), data=here / "data")


def test_a_project_keeps_what_its_file_says(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "check.py").write_text(PASSES)
    (tmp_path / "framemill.toml").write_text(
        '[project]\nname = "Přístroj 7"\nidempotent = false\n'
        '[[flow]]\nmodule = "code"\nfile = "code/check.py"\nform = { limit = 12, names = ["a"] }\nreadonly = true\n'
        "[server]\nport = 8001\n",
        encoding="utf-8",
    )
    project = load_project(tmp_path)
    assert (project.name, project.idempotent, project.server) == ("Přístroj 7", False, {"port": 8001})
    (step,) = project.steps
    assert (step.id, step.where, step.branches) == (1, "flow[0]", ())
    assert step.options == CodeOptions(
        module="code", file="code/check.py", form={"limit": 12, "names": ["a"]}, readonly=True
    )


def test_modules_are_counted_depth_first_from_one(tmp_path: Path) -> None:
    step = '{ module = "code", file = "code/check.py" }'
    flow = f"""
        [[flow]]
        module = "parallel"
        branches = [[{step}, {step}], [{{ module = "parallel", branches = [[{step}]] }}]]
        [[flow]]
        module = "code"
        file = "code/check.py"
    """
    first, last = load_project(write_project(tmp_path, flow, check=PASSES)).steps
    inner = first.branches[1][0]
    ids = [first.id, *(step.id for step in first.branches[0]), inner.id, inner.branches[0][0].id, last.id]
    assert ids == [1, 2, 3, 4, 5, 6]
    assert inner.branches[0][0].where == "flow[0].branches[1][0].branches[0][0]"


def test_every_mistake_is_told_at_once_each_on_its_own_line(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "check.py").write_text(PASSES)
    (tmp_path / "framemill.toml").write_text(
        """
        colour = 1
        [project]
        nam = "x"
        idempotent = "yes"
        [[flow]]
        module = "cod"
        [[flow]]
        module = "code"
        file = "code/chek.py"
        readonly = 1
        forms = {}
        [[flow]]
        file = "code/check.py"
        [[flow]]
        module = "parallel"
        branches = [[{ module = "code" }], [{ module = "code", file = "zzz.py" }]]
        """
    )
    known = "module, name, enabled, limit_ms, file, form, readonly"
    kinds = ", ".join(registry().kinds)
    assert sorted(mistakes(tmp_path)) == sorted(
        [
            "colour: is unknown; known are project, frame, flow, verdict, part, input, proof, server",
            "project.name: is missing: how people call it",
            "project.nam: is unknown; known are name, idempotent, data, fork; did you mean name?",
            "project.idempotent: should be a valid boolean, got 'yes'",
            f"flow[0].module: there is no module 'cod'; known are {kinds}; did you mean code?",
            "flow[1].file: code/chek.py does not exist in the project; did you mean code/check.py?",
            "flow[1].readonly: should be a valid boolean, got 1",
            f"flow[1].forms: is unknown; known are {known}; did you mean form?",
            f"flow[2].module: is missing; known are {kinds}",
            "flow[3].branches[0][0].file: is missing: Python file in the project's code/",
            "flow[3].branches[1][0].file: zzz.py does not exist in the project",
        ]
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[project]\nname = \n", "framemill.toml: Invalid value (at line 2, column 8)"),
        (HEAD + "[flow]\nmodule = 'code'", "flow: is a dict, expected tables [[flow]], with two brackets"),
        (HEAD + "flow = [1]", "project.flow: is unknown; known are name, idempotent, data, fork"),
        ("flow = [1]\n" + HEAD, "flow[0]: is 1, expected a table with a module"),
        ("server = 3\n" + HEAD, "server: is 3, expected a table [server]"),
        ("project = 3", "project: is 3, expected a table"),
        ("", "project.name: is missing: how people call it"),
        (
            HEAD + "[[flow]]\nmodule = 'parallel'\nbranches = []",
            "flow[0].branches: list should have at least 1 item after validation, not 0, got a list",
        ),
        (
            '"a\\nb" = 1\n' + HEAD,
            "a b: is unknown; known are project, frame, flow, verdict, part, input, proof, server",
        ),
    ],
)
def test_what_is_wrong_with_the_file_is_told(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "framemill.toml").write_text(text)
    assert only_mistake(tmp_path) == expected


def test_a_folder_that_is_no_project_is_told(tmp_path: Path) -> None:
    assert only_mistake(tmp_path) == f"framemill.toml: there is none in {tmp_path}"
    assert "there is no such folder" in only_mistake(tmp_path / "nowhere")


def test_a_file_with_a_windows_mark_is_read_and_one_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    (tmp_path / "framemill.toml").write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert load_project(tmp_path).name == "test"
    (tmp_path / "framemill.toml").write_bytes(b"[project]\nname = 'caf\xe9'\n")
    assert only_mistake(tmp_path) == "framemill.toml: line 2 is not UTF-8"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("../other/check.py", "../other/check.py lies outside of the project"),
        ("/etc/passwd", "/etc/passwd lies outside of the project"),
        ("code", "code is a folder, expected a file"),
        ("check.txt", "check.txt is not a Python file in code/"),
        ("code/out.py", "code/out.py lies outside of the project"),
        ("code/v1.5.py", "code/v1.5.py has a dot in its name"),
        ("a\\u0000b", "'a\\x00b' cannot be a path"),
    ],
)
def test_a_path_stays_inside_the_project(tmp_path: Path, file: str, expected: str) -> None:
    project = write_project(tmp_path / "project", f'[[flow]]\nmodule = "code"\nfile = "{file}"')
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "check.py").write_text(PASSES)
    (project / "check.txt").write_text("")
    (project / "code" / "v1.5.py").write_text(PASSES)
    (project / "code" / "out.py").symlink_to(tmp_path / "other" / "check.py")
    assert only_mistake(project).startswith(f"flow[0].file: {expected}")


def test_a_link_that_stays_inside_the_project_is_followed(tmp_path: Path) -> None:
    write_project(tmp_path, '[[flow]]\nmodule = "code"\nfile = "code/check.py"')
    (tmp_path / "versions").mkdir()
    (tmp_path / "versions" / "check.py").write_text(PASSES)
    (tmp_path / "code" / "check.py").symlink_to("../versions/check.py")
    assert len(load_project(tmp_path).steps) == 1


@pytest.mark.parametrize(
    "source",
    [
        "def main(context): pass",
        "def main(context, module_item): pass",
        "def main(context, form): pass",
        "def main(context, module_item, form): pass",
        "def main(context, form, module_item): pass",
        "def main(context, module_item=None): pass",
        "def main(context, *, form): pass",
        "def main(context, verbose=False): pass",
        "def main(context, *args, **kwargs): pass",
        "def main(img): return img",
        "def main(image, size=3): return image",
        "def main(img, /): return img",
        "from helpers import main",
        "import functools\nmain = functools.partial(print, 1)",
        "try:\n    import fast\nexcept ImportError:\n    def main(context): pass\n",
        "def main(a, b, c): pass\ndef main(context): pass",
        "x = '\\d'\ndef main(context): pass",
    ],
)
def test_a_main_that_can_be_called_is_accepted(tmp_path: Path, source: str) -> None:
    assert len(load_project(with_check(tmp_path, source)).steps) == 1


FORMS = (
    "expected main(context), main(context, module_item), main(context, form), main(context, module_item, form) "
    "or main(img)"
)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\n\ndef main(context:\n    pass\n", "line 3: '(' was never closed"),
        ("def main(context):\n    pass\nreturn 1\n", "line 3: 'return' outside function"),
        ("def man(context): pass", f"has no function main; {FORMS}"),
        ("class A:\n    def main(self): pass", f"has no function main; {FORMS}"),
        ("\ndef main(): pass", f"line 2: main takes no argument; {FORMS}"),
        ("def main(context, limit): pass", f"line 1: main(context, limit) is not known; {FORMS}"),
        ("def main(ctx, form=None): pass", f"line 1: main(ctx, form) is not known; {FORMS}"),
        ("def main(context, form, /): pass", f"line 1: main(context, form) is not known; {FORMS}"),
        ("def main(*, context): pass", f"line 1: main takes no argument; {FORMS}"),
        ("async def main(context): pass", "line 1: main is async, so it would never run; write a plain def"),
        ("\0", "source code string cannot contain null bytes"),
        ("x = " + "(" * 300 + ")" * 300, "line 1: too many nested parentheses"),
    ],
)
def test_code_that_could_not_run_is_told_with_its_line(tmp_path: Path, source: str, expected: str) -> None:
    assert only_mistake(with_check(tmp_path, source)) == f"flow[0].file: code/check.py: {expected}"


def test_a_file_that_code_imports_is_checked_too_and_one_that_lies_about_is_not(tmp_path: Path) -> None:
    with_check(tmp_path, "def main(context):\n    from lib import deep\n")
    (tmp_path / "code" / "lib").mkdir()
    (tmp_path / "code" / "lib" / "deep.py").write_text("import other, json\n")
    (tmp_path / "code" / "other.py").write_text("import check\n\nx = = 1\n")
    (tmp_path / "code" / "old.py").write_text("print 'python 2'\n")
    expected = "flow[0].file: code/other.py, imported by code/lib/deep.py: line 3: invalid syntax"
    assert only_mistake(tmp_path) == expected


def test_a_file_that_hides_a_module_of_python_is_told(tmp_path: Path) -> None:
    write_project(tmp_path, random="", fine="")
    (tmp_path / "code" / "json").mkdir()
    (tmp_path / "code" / "json" / "__init__.py").write_text("")
    assert [line.split(":")[0] for line in mistakes(tmp_path)] == ["code/json", "code/random.py"]


def test_a_reference_whose_picture_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "references").mkdir()
    (tmp_path / "references" / "golden.png").write_bytes(b"")
    flow = """
        [[flow]]
        module = "reference"
        image = "references/goldn.png"
        [[flow]]
        module = "reference"
        image = "references/{data}.png"
    """
    expected = "flow[0].image: references/goldn.png does not exist in the project; did you mean references/golden.png?"
    assert only_mistake(write_project(tmp_path, flow)) == expected


def test_reading_a_project_imports_neither_opencv_nor_numpy() -> None:
    script = "import sys, workers.flow.project; sys.exit(not {'cv2', 'numpy'}.isdisjoint(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0
