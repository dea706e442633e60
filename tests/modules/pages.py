"""Pages of modules, docs/modules/NAME.md: their example runs as printed, their tables say what the options are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tests.support.projects import write_project
from tests.support.running import CHECKOUT
from workers.programs.trying import TriedProject

_KINDS = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}


def page(name: str) -> str:
    return (CHECKOUT / "docs" / "modules" / f"{name}.md").read_text()


def example(name: str, folder: Path) -> TriedProject:
    """Load the project whose flow is the page's first TOML."""
    flow = re.findall(r"```toml\n(.*?)```", page(name), flags=re.DOTALL)[0]
    return TriedProject(write_project(folder, "\n" + flow))


def table(model: type[BaseModel], without: type[BaseModel] | None = None) -> str:
    """Return the options of `model` as a table of a page; `without` those of another, which the page has before."""
    left_out = {"module", "enabled", "limit_ms", "kind", *(without.model_fields if without else ())}
    rows = ["| option | what it takes | left out | meaning |", "|---|---|---|---|"]
    schema = model.model_json_schema()
    for key, field in schema["properties"].items():
        if key not in left_out:  # the first three are in docs/modules.md, for all
            default = "needed" if key in schema.get("required", ()) else _shown(field.get("default"))
            rows.append(f"| `{key}` | {_taken(field, schema)} | {default} | {field.get('description', '')} |")
    return "\n".join(rows) + "\n"


def _shown(default: object) -> str:
    if default is None or default == {}:
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _taken(field: dict[str, Any], schema: dict[str, Any]) -> str:
    if "$ref" in field or "oneOf" in field:
        return "table"
    if "anyOf" in field:
        return next(_taken(each, schema) for each in field["anyOf"] if each.get("type") != "null")
    if "enum" in field:
        return " or ".join(f"`{each}`" for each in field["enum"])
    if field["type"] == "array":
        inner = _taken(field["items"], schema)
        same = field.get("minItems") == field.get("maxItems")
        return f"list of {field['minItems']} ({inner})" if same else f"list ({inner})"
    if field["type"] == "object":
        return f"table ({_taken(field['additionalProperties'], schema)} by name)"
    return _KINDS[field["type"]] + _limits(field)


def _limits(field: dict[str, Any]) -> str:
    least, most = field.get("minimum", field.get("exclusiveMinimum")), field.get("maximum")
    if least is not None and most is not None:
        return f", {least:g} to {most:,}"
    return "" if least is None else f" from {least:g}"
