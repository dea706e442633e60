"""JSON Schema of a project's file: it takes what `check` takes, refuses what that refuses, and names every key."""

from __future__ import annotations

import copy
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, Field

from service.settings import Settings
from tests.support.running import CHECKOUT
from workers.flow import schema as made
from workers.flow.project import FILE, load_project
from workers.flow.registry import Registry, registry
from workers.flow.rules import KINDS
from workers.flow.schema import project_schema
from workers.modules.kind import ModuleKind
from workers.modules.options import ModuleOptions

SCHEMA = project_schema(Settings)
# what lies in a folder that begins with a dot, an environment of libraries, is not ours
EXAMPLES = [
    path
    for path in CHECKOUT.rglob(FILE)
    if not any(part.startswith(".") or part == "templates" for part in path.relative_to(CHECKOUT).parts)
]

WHOLE: dict[str, Any] = {
    "project": {"name": "test", "idempotent": False, "data": "data", "fork": True},
    "frame": {"grey": True, "reduce": 2},
    "flow": [
        {"module": "code", "file": "code/a.py", "form": {"limit": 3, "names": ["a"]}, "readonly": True},
        {"module": "reference", "name": "top", "enabled": False, "image": "references/{data}.png", "shift_px": 0},
        {"module": "only_if", "expression": "score > 1"},
        {"module": "parallel", "branches": [[{"module": "code", "file": "code/a.py"}], []]},
    ],
    "verdict": {
        "combine": "and",
        "join": "or",
        "after_exit": "keep",
        "rules": [
            {"rule": "count", "label": "screw", "min": 1, "max": 4, "name": "screws"},
            {"rule": "count", "label": ["screw", "nut"], "min": 1, "scope": "every"},
            {"rule": "area", "max_px": 10.5},
            {"rule": "score", "max": 1},
            {"rule": "or", "rules": [{"rule": "and", "rules": [{"rule": "present", "label": "a", "present": False}]}]},
            {"rule": "expression", "expression": "score > 1"},
        ],
    },
    "server": {"port": 8001, "formats": ["jpeg", "png"], "max_megapixels": 0.5, "allowed_hosts": "a,b"},
}


def refused(tables: dict[str, Any], schema: dict[str, Any] = SCHEMA) -> list[str]:
    """The key paths of what the schema refuses, the innermost that it can tell."""
    found = []
    for error in jsonschema.Draft7Validator(schema).iter_errors(tables):
        innermost = jsonschema.exceptions.best_match([error])
        found.append(innermost.json_path.removeprefix("$."))
    return found


def test_the_schema_is_one() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == jsonschema.Draft7Validator.META_SCHEMA["$schema"]


def every_schema(schema: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    if isinstance(schema, list):
        return [each for index, inner in enumerate(schema) for each in every_schema(inner, f"{path}[{index}]")]
    if not isinstance(schema, dict):
        return []
    return [(path, schema), *(each for key, inner in schema.items() for each in every_schema(inner, f"{path}.{key}"))]


def test_it_has_words_of_draft_7_only_no_null_and_no_reference_to_nowhere() -> None:
    resolver = {f"#/definitions/{name}" for name in SCHEMA["definitions"]}
    references = set()
    for path, schema in every_schema(SCHEMA):
        if path.endswith(("properties", "definitions")):
            continue
        assert not {"$defs", "prefixItems", "unevaluatedProperties", "dependentRequired"} & schema.keys()
        assert schema.get("type") != "null", path
        assert "title" not in schema or not path, path
        if "$ref" in schema:
            references.add(schema["$ref"])
    assert references <= resolver
    assert {f"#/definitions/module.{name}" for name in registry().kinds} <= references


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(CHECKOUT).parent))
def test_every_example_project_is_valid(path: Path) -> None:
    load_project(path.parent, taught=False)
    assert refused(tomllib.loads(path.read_text()), project_schema(Settings, path.parent)) == []


def test_a_project_with_every_table_is_valid() -> None:
    assert len(EXAMPLES) >= 3
    assert {step["module"] for step in WHOLE["flow"]} == {"code", "reference", "only_if", "parallel"}
    assert refused(WHOLE) == []


@pytest.mark.parametrize(
    ("place", "value", "where"),
    [
        (["colour"], 1, "$"),
        (["project", "nam"], "x", "project"),
        (["project", "name"], "", "project.name"),
        (["frame", "reduce"], 3, "frame.reduce"),
        (["flow", 0, "module"], "cod", "flow[0].module"),
        (["flow", 0, "readonly"], 1, "flow[0].readonly"),
        (["flow", 0, "reedonly"], True, "flow[0]"),
        (["flow", 1, "shift_px"], 9, "flow[1].shift_px"),
        (["flow", 1, "name"], 5, "flow[1].name"),
        (["flow", 1, "enabled"], "no", "flow[1].enabled"),
        (["flow", 3, "branches", 0, 0, "file"], 5, "flow[3].branches[0][0].file"),
        (["flow", 3, "branches"], [], "flow[3].branches"),
        (["verdict", "combine"], "plus", "verdict.combine"),
        (["verdict", "rules"], [], "verdict.rules"),
        (["verdict", "rules", 0, "min"], -1, "verdict.rules[0].min"),
        (["verdict", "rules", 0, "min"], 1.5, "verdict.rules[0].min"),
        (["verdict", "rules", 0, "label"], [], "verdict.rules[0].label"),
        (["verdict", "rules", 0, "scope"], "some", "verdict.rules[0].scope"),
        (["verdict", "rules", 4, "rules", 0, "rules", 0, "label"], 3, "verdict.rules[4].rules[0].rules[0].label"),
        (["verdict", "rules", 2], {"rule": "area"}, "verdict.rules[2]"),
        (["server", "port"], 70000, "server.port"),
        (["server", "max_megapixels"], 0, "server.max_megapixels"),
        (["server", "formats"], ["gif"], "server.formats"),
    ],
)
def test_what_is_wrong_is_refused_where_it_is(place: list[str | int], value: object, where: str) -> None:
    tables: Any = copy.deepcopy(WHOLE)
    inner = tables
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    (found,) = refused(tables)
    assert found == where or found.startswith(f"{where}["), found


@pytest.mark.parametrize(
    ("place", "where"),
    [(["project", "name"], "project"), (["flow", 0, "file"], "flow[0]"), (["flow", 0, "module"], "flow[0]")],
)
def test_what_is_missing_is_refused(place: list[str | int], where: str) -> None:
    tables: Any = copy.deepcopy(WHOLE)
    inner = tables
    for key in place[:-1]:
        inner = inner[key]
    del inner[place[-1]]
    assert where in refused(tables)


def test_every_key_of_every_module_rule_and_setting_is_there_with_a_description() -> None:
    models: dict[str, type[BaseModel]] = {
        **{f"module.{name}": kind.options for name, kind in registry().kinds.items()},
        **{f"rule.{name}": kind for name, kind in KINDS.items()},
        "server": Settings,
    }
    for name, model in models.items():
        properties = SCHEMA["definitions"][name]["properties"]
        assert properties.keys() == model.model_fields.keys()
        assert [key for key, schema in properties.items() if not schema.get("description")] == [], name


def test_files_of_a_project_are_offered_and_others_are_taken(tmp_path: Path) -> None:
    for name in ("code/a.py", "code/__pycache__/a.pyc", "data/new.csv", ".git/x", "references/b.png", FILE):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    schema = project_schema(Settings, tmp_path)
    jsonschema.Draft7Validator.check_schema(schema)
    file = schema["definitions"]["module.code"]["properties"]["file"]
    assert file["anyOf"][0] == {"enum": ["code/a.py", "references/b.png"]}
    flow = [{"module": "code", "file": name} for name in ("code/a.py", "code/not_yet.py")]
    assert refused({"project": {"name": "x"}, "flow": flow}, schema) == []
    assert refused({"project": {"name": "x"}, "flow": [{"module": "code", "file": ""}]}, schema) != []


def test_an_installed_module_with_an_odd_name_and_tables_of_its_own_is_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Region(BaseModel):
        width_px: int = Field(gt=0)

    class Odd(ModuleOptions):
        regions: list[Region]

    whole = Registry({**registry().kinds, "my module": ModuleKind(Odd, "nowhere")})
    monkeypatch.setattr(made, "registry", lambda: whole)
    schema = project_schema(Settings)
    tables = {"project": {"name": "x"}, "flow": [{"module": "my module", "regions": [{"width_px": 3}]}]}
    assert refused(tables, schema) == []
    tables["flow"][0]["regions"] = [{"width_px": 0}]  # type: ignore[index]
    assert refused(tables, schema) == ["flow[0].regions[0].width_px"]
