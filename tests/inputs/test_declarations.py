"""What a project declares under [[input]]: clear mistakes, a schema that agrees, defaults, values for a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import orjson
import pytest
from jsonschema import Draft7Validator

from service.settings import Settings
from tests.support.pictures import png
from tests.support.running import command, write_project
from workers.errors import ProjectInvalid
from workers.flow.inputs import KINDS, OperatorInput, as_declared
from workers.flow.project import load_project
from workers.flow.schema import project_schema
from workers.programs.trying import TriedProject

NUMBER = '[[input]]\nname = "limit"\nkind = "number"\n'
TELL = 'def main(context):\n    context["found"] = dict(context["operatorInput"])\n'
FLOW = '[[flow]]\nmodule = "code"\nfile = "code/tell.py"\n'
GOOD = (
    NUMBER + 'default = 3\nmin = 0\nmax = 9\nunit = "mm"\n'
    '[[input]]\nname = "lot"\nkind = "text"\npattern = "[A-Z]{0,4}"\n'
    '[[input]]\nname = "shift"\nkind = "select"\nchoices = ["early", "late"]\ndefault = "late"\n'
    '[[input]]\nname = "strict"\nkind = "switch"\ndefault = true\nlabel = "Strict"\nhelp = "more"\n'
)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("input = 1", "input: is 1, expected tables [[input]], with two brackets"),
        ('[[input]]\nname = "a"', "input[0].kind: is missing; known are text, number, select, switch"),
        ('[[input]]\nname = "a"\nkind = "slider"', "input[0].kind: there is no kind 'slider'"),
        (NUMBER, "input[0].default: is missing: what holds while nobody has set it"),
        (NUMBER + "default = 5\nmax = 3", "input[0]: default: is 5, expected 3 at most"),
        (NUMBER + "default = 1.05\nmin = 1\nstep = 0.1", "default: is 1.05, expected steps of 0.1 from 1 on"),
        (NUMBER + "default = inf", "input[0].default"),
        (NUMBER + "default = true", "input[0].default"),
        (NUMBER + "default = 1\nstep = 0", "input[0].step"),
        (NUMBER + 'default = 1\nunits = "mm"', "input[0].units: is unknown; known are"),
        (NUMBER.replace("limit", "a b") + "default = 1", "input[0].name"),
        (NUMBER.replace("limit", "__class__") + "default = 1", "begins with two underscores"),
        (f"{NUMBER}default = 1\n" * 2, "input[1].name: there is another input limit before it"),
        ('[[input]]\nname = "a"\nkind = "select"\nchoices = []', "input[0].choices"),
        ('[[input]]\nname = "a"\nkind = "select"\nchoices = ["b"]\ndefault = "c"', "expected one of b"),
        ('[[input]]\nname = "a"\nkind = "text"\npattern = "("', "input[0].pattern: '(' is no regular expression"),
        ('[[input]]\nname = "a"\nkind = "text"\npattern = "[0-9]+"', "expected what fits [0-9]+"),
        ('[[input]]\nname = "a"\nkind = "text"\ndefault = "a\\nb"', "expected a line of text"),
        ("".join(f'[[input]]\nname = "n{n}"\nkind = "switch"\n' for n in range(33)), "there are 33, expected 32"),
        (
            "".join(
                f'[[input]]\nname = "n{n}"\nkind = "text"\nmax_length = 1000\ndefault = "{"x" * 900}"\n'
                for n in range(5)
            ),
            "all defaults have",
        ),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, toml: str, said: str) -> None:
    project = write_project(tmp_path / "p")
    (project / "framemill.toml").write_text(
        f"{toml}\n[project]\nname = 'p'\n" if toml.startswith("input") else f"[project]\nname = 'p'\n{toml}\n"
    )
    with pytest.raises(ProjectInvalid) as error:
        load_project(project)
    assert said in error.value.message


def test_the_schema_knows_all_kinds(tmp_path: Path) -> None:
    schema = project_schema(Settings)
    Draft7Validator.check_schema(schema)
    assert {f"kind.{kind}" for kind in KINDS} <= schema["definitions"].keys()
    assert "x-threshold" not in json.dumps(schema)
    shown = command("schema", write_project(tmp_path / "p", GOOD))
    validator = Draft7Validator(json.loads(shown.stdout))
    good = {"project": {"name": "p"}, "input": [{"name": "a", "kind": "number", "default": 1}]}
    assert validator.is_valid(good)
    for bad in ({"name": "a"}, {"name": "a", "kind": "slider"}, {"name": "a", "kind": "number", "default": "1"}):
        assert not validator.is_valid({**good, "input": [bad]})


def test_a_whole_number_stays_whole_and_a_comma_is_a_point(tmp_path: Path) -> None:
    limit, lot, shift, strict = load_project(write_project(tmp_path / "p", GOOD)).inputs
    assert [limit.of_text(text) for text in (" 7 ", "2,5", ".5", "1e3", "nan", "0x10", "7 mm", "")] == [
        7,
        2.5,
        0.5,
        1000.0,
        "nan",
        "0x10",
        "7 mm",
        "",
    ]
    assert type(limit.taken(7.0)) is int
    assert [lot.title, strict.title] == ["lot", "Strict"]
    assert shift.initial() == "late"
    assert [strict.of_text(text) for text in ("true", "", "maybe")] == [True, False, "maybe"]


def test_what_a_version_does_not_take_is_its_default(tmp_path: Path) -> None:
    inputs = load_project(write_project(tmp_path / "p", GOOD)).inputs
    given = OperatorInput(inputs)
    of_older = {"limit": 99, "lot": "AB", "gone": 1, "strict": False}
    found = given.of(orjson.dumps(of_older))
    assert found == {"limit": 3, "lot": "AB", "shift": "late", "strict": False}
    found["limit"] = 1
    assert given.of(orjson.dumps(of_older))["limit"] == 3, "each frame has a dict of its own"
    assert given.of(b"") == {"limit": 3, "lot": "", "shift": "late", "strict": True}
    assert OperatorInput(()).of(b'{"limit": 1}') == {}
    assert as_declared(inputs, {"lot": "A" * 10**6})[1].keys() == {"lot"}


def test_a_run_and_a_test_of_code_have_what_they_are_given(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW + GOOD, tell=TELL)
    tried = TriedProject(project, inputs={"limit": 7})
    assert tried.inspect(np.zeros((8, 8), np.uint8)).context["found"]["limit"] == 7
    assert TriedProject(project).inspect(np.zeros((8, 8), np.uint8)).context["found"]["limit"] == 3
    with pytest.raises(ProjectInvalid, match="input limit: is 70, expected 0 to 9"):
        TriedProject(project, inputs={"limit": 70})
    picture = tmp_path / "a.png"
    picture.write_bytes(png(np.zeros((8, 8), np.uint8)))
    lines = tmp_path / "a.jsonl"
    done = command("run", project, picture, "--input", "limit=5", "--input", "strict=false", "--jsonl", lines)
    assert done.returncode == 0, done.stderr
    assert json.loads(lines.read_text())["context"]["found"] == {
        "limit": 5,
        "lot": "",
        "shift": "late",
        "strict": False,
    }
    done = command("run", project, picture, "--input", "limits=5")
    assert done.returncode == 3
    assert "input limits: there is no input of this name; known are limit, lot, shift, strict" in done.stderr
