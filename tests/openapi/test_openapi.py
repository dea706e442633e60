"""/openapi.json of a real server is valid, says what the code does, and has each parameter that the code reads."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from service.intake import params
from service.openapi.document import UNDESCRIBED
from service.openapi.operations import OPERATIONS
from tests.clients.browser import keep_picture, serious_faults
from tests.openapi.conftest import METHODS
from tests.support.running import CHECKOUT, Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.long

_BY_KEY = {"api_key"}  # a parameter of every path: its security scheme says so
_READERS = {"flag", "dimension", "_text"}
_QUERIES = {"values", "params"}
_OURS = [one for known in OPERATIONS.values() for one in known.values()]


def test_the_description_is_valid(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert [(error.message[:200], error.instance_path) for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []
    assert not OPENAPI_31_VALIDATOR.is_valid({**document, "paths": {"/": {"get": {"parameters": 1}}}})
    references = set(re.findall(r"'\$ref': '#/components/schemas/([^']+)'", str(document)))
    assert references <= document["components"]["schemas"].keys()
    assert len(references) > 20


def test_each_route_and_method_is_in_both(document: dict[str, Any]) -> None:
    served = {
        (path, method.upper()): UNDESCRIBED in what
        for path, item in document["paths"].items()
        for method, what in item.items()
        if method in METHODS
    }
    undescribed = [one for one, is_undescribed in served.items() if is_undescribed]
    assert not undescribed, "these need a row in service/openapi/operations.py or page_operations.py"
    assert served.keys() == {(path, method) for path, known in OPERATIONS.items() for method in known}


def test_each_operation_says_in_words_what_it_does(document: dict[str, Any]) -> None:
    wordless = [
        (path, method)
        for path, item in document["paths"].items()
        for method, what in item.items()
        if method in METHODS and len(what.get("summary", "").strip()) < 8
    ]
    assert wordless == []


def test_no_two_models_have_one_name() -> None:
    models = {model for one in _OURS for model in (one.query, one.body, one.form, *one.answers.values()) if model}
    assert len({model.__name__ for model in models}) == len(models)


def test_each_query_parameter_that_the_code_reads_is_described() -> None:
    queries = {one.query for one in _OURS if one.query}
    described = {name for query in queries for name in _names(query)}
    assert described >= params._OURS - _BY_KEY
    read = {name for file in (CHECKOUT / "service").rglob("*.py") for name in _read_in(file)}
    assert {"context", "accept", "key", "wait_s", "wait_ms", "view", "line", "before", "to", "revision"} <= read
    assert read - _BY_KEY <= described
    checked = {name for file in (CHECKOUT / "service").rglob("*.py") for name in _checked_in(file)}
    assert len(checked) > 5
    assert checked <= {query.__name__ for query in queries}


def _names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name


def _calls_in(file: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))


def _read_in(file: Path) -> Iterator[str]:
    """The names of parameters that a file of ours asks the query for."""
    reads_values = re.search(r"query_values|req\.params", file.read_text()) is not None
    for node in _calls_in(file):
        texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if isinstance(node.func, ast.Name) and node.func.id in _READERS and reads_values:
            yield from texts
        if isinstance(node.func, ast.Attribute) and node.func.attr == "get_param":
            yield from texts[:1]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "get" and reads_values:
            asked = ast.unparse(node.func.value)
            is_name = bool(texts) and isinstance(node.args[0], ast.Constant)
            yield from texts[:1] if is_name and (asked in _QUERIES or asked.startswith("query_values(")) else ()
    for part in ast.walk(ast.parse(file.read_text())) if reads_values else ():
        if isinstance(part, ast.Subscript) and ast.unparse(part.value) == "values":
            yield from [str(part.slice.value)] if isinstance(part.slice, ast.Constant) else []


def _checked_in(file: Path) -> Iterator[str]:
    """The names of models that a file of ours has the query checked by."""
    for node in _calls_in(file):
        if isinstance(node.func, ast.Name) and node.func.id == "checked_query":
            yield ast.unparse(node.args[1])


def test_a_front_that_nobody_asks_loads_no_spectree() -> None:
    said = "import sys, service.server.front, service.server.app; print(sorted({'spectree', %r} & set(sys.modules)))"
    code = said % "service.openapi.answers"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_to_try_it_has_its_own_policy(server: Server) -> None:
    with server.client() as client:
        answer = client.get("/api/docs").raise_for_status()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"https?://", answer.text)
    assert "static/api." in answer.text


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_the_page_to_try_it_has_no_serious_fault(server: Server, page: Page, width: int, scheme: str) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{server.url}/api/docs")
    page.wait_for_selector("#api details")
    said = page.locator("#api details > summary").all_inner_texts()
    assert len(said) > 30
    assert [words for words in said if not re.fullmatch(r"[A-Z]+ /\S* - \w.{7,}", words)] == []
    keep_picture(page, f"api-{width}-{scheme}")
    assert serious_faults(page) == []
