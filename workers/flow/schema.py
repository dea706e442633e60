"""JSON Schema of `framemill.toml`, made from the registry and from the options that `check` goes by: editors follow it.

It keeps to draft 7, which editors know. What only `check` can tell, that a file is there or an expression can be read,
is not in it. TOML has no null, so neither has it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from workers.flow.inputs import KINDS as INPUTS
from workers.flow.inputs import MOST_INPUTS
from workers.flow.part import PartOptions
from workers.flow.project import FILE, ProjectTable
from workers.flow.proof import MOST_PROOFS, ProofOptions
from workers.flow.registry import registry
from workers.flow.rules import KINDS, Group, Limits
from workers.flow.verdict import VerdictOptions
from workers.pixels.frame_form import FrameForm

Schema = dict[str, Any]

_MOST_FILES = 500  # of a project that editors offer
_MAPS = ("properties", "definitions", "patternProperties")  # whose keys are names
_LISTS = ("anyOf", "oneOf", "allOf")


class _Plain(GenerateJsonSchema):
    """Without titles, which say again what keys say, and without null."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - the answer is the same for all
        return False

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])


def project_schema(server: type[BaseModel], folder: Path | None = None) -> Schema:
    """Return the schema; `server` are the settings of [server]. Files of a project in `folder` are offered by name."""
    files = _files(folder) if folder else []
    definitions: Schema = {
        "project": _table(ProjectTable, "project"),
        "frame": _table(FrameForm, "frame"),
        "verdict": _table(VerdictOptions, "verdict"),
        "part": _table(PartOptions, "part"),
        "proof": _table(ProofOptions, "proof"),
        "server": _table(server, "server"),
    }
    for name, kind in registry().kinds.items():
        module = definitions[f"module.{name}"] = _table(kind.options, f"module.{name}", "module", name)
        for key in kind.options.FILES if files else ():
            _offer(module["properties"], key, files)
        if kind.options.BRANCHES:
            module["properties"][kind.options.BRANCHES]["items"] = {"type": "array", "items": _ref("module")}
    if files:
        _offer(definitions["proof"]["properties"], "frame", files)
    for name, rule in KINDS.items():
        made = definitions[f"rule.{name}"] = _table(rule, f"rule.{name}", "rule", name)
        if issubclass(rule, Group):
            made["properties"]["rules"]["items"] = _ref("rule")
        if issubclass(rule, Limits):
            made["anyOf"] = [{"required": [key]} for key in rule.limit_keys()]
    for name, kind_of_input in INPUTS.items():
        definitions[f"kind.{name}"] = _table(kind_of_input, f"kind.{name}", "kind", name)
    definitions["input"] = _one_of("kind", INPUTS, "what operators may set while it runs")
    definitions["module"] = _one_of("module", registry().kinds, "a step of the flow")
    definitions["rule"] = _one_of("rule", KINDS, "a rule of the verdict")
    definitions["verdict"]["properties"]["rules"]["items"] = _ref("rule")
    flow = {"type": "array", "items": _ref("module"), "description": "the modules, in the order in which they run"}
    proof = {
        "type": "array",
        "items": _ref("proof"),
        "maxItems": MOST_PROOFS,
        "description": "frames with their verdicts, which a reload must not change",
    }
    inputs = {
        "type": "array",
        "items": _ref("input"),
        "maxItems": MOST_INPUTS,
        "description": "what operators may set while it runs, in the order of the form",
    }
    tables = {name: _ref(name) for name in ("project", "frame", "verdict", "part", "server")}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": FILE,
        "description": "A project of Framemill: its flow of modules, its verdict, the settings of its server.",
        "type": "object",
        "additionalProperties": False,
        "required": ["project"],
        "properties": {**tables, "flow": flow, "input": inputs, "proof": proof},
        "definitions": _hoisted(definitions),
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/definitions/{quote(name)}"}


def _table(model: type[BaseModel], name: str, key: str = "", value: str = "") -> Schema:
    """Return the schema of one table; its `key`, where that is given, can only be `value`."""
    schema = model.model_json_schema(ref_template=f"{_ref(name)['$ref']}.{{model}}", schema_generator=_Plain)
    schema = _draft_7(schema)
    schema.pop("title", None)
    if key:
        field = {"description": "what kind it is", **schema["properties"][key]}
        schema["properties"][key] = {**field, "enum": [value]}
        schema["properties"][key].pop("default", None)
        schema["required"] = [key, *(each for each in schema.get("required", ()) if each != key)]
    return schema


def _one_of(key: str, kinds: Iterable[str], description: str) -> Schema:
    """Return the schema of a table of one of `kinds`, which `key` tells.

    By `if` a mistake is told where it is, and not as "none of these". taplo looks for completions into `anyOf`, and not
    behind `if`; the empty schema there lets everything pass.
    """
    names = list(kinds)
    told = [{"properties": {key: {"enum": [name]}}, "required": [key]} for name in names]
    return {
        "description": description,
        "type": "object",
        "required": [key],
        "properties": {key: {"type": "string", "enum": names, "description": f"one of {', '.join(names)}"}},
        "allOf": [{"if": case, "then": _ref(f"{key}.{name}")} for case, name in zip(told, names, strict=True)],
        "anyOf": [*(_ref(f"{key}.{name}") for name in names), {}],
    }


def _hoisted(definitions: Schema) -> Schema:
    """Put what the tables define for themselves beside them, each under its table's name."""
    for name, schema in [*definitions.items()]:
        for inner, defined in schema.pop("$defs", {}).items():
            definitions[f"{name}.{inner}"] = _draft_7({key: each for key, each in defined.items() if key != "title"})
    return definitions


def _draft_7(schema: Mapping[str, Any]) -> Schema:
    """Write a schema in the words of draft 7."""
    made: Schema = {}
    for key, value in schema.items():
        if key == "const":
            made["enum"] = [value]
        elif key == "prefixItems":  # each place of a list for itself
            made["items"] = [_draft_7(each) for each in value]
        elif key == "discriminator" or key.startswith("x-"):  # OpenAPI's: each of the kinds says itself which it is
            continue
        elif key in _MAPS:
            made[key] = {name: _draft_7(each) for name, each in value.items()}
        elif key in _LISTS:
            made[key] = [_draft_7(each) for each in value]
        elif key in {"items", "additionalProperties"} and isinstance(value, dict):
            made[key] = _draft_7(value)
        elif key == "default":
            if value is not None:
                made[key] = sorted(value) if schema.get("uniqueItems") else value
        else:
            made[key] = value
    return made


def _offer(properties: Schema, key: str, files: list[str]) -> None:
    """Name `files` as values that a key may have, beside any other that it takes."""
    taken = dict(properties[key])
    description = taken.pop("description", "")
    properties[key] = {"description": description, "anyOf": [{"enum": files}, taken]}


def _files(folder: Path) -> list[str]:
    """Return the files of a project that its file may name, relative to it."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    named = (path.as_posix() for path in found if not any(part.startswith((".", "__")) for part in path.parts))
    offered = (name for name in named if name != FILE and not name.startswith("data/"))
    return sorted(itertools.islice(offered, _MOST_FILES))
