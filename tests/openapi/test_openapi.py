"""/openapi.json of a real server says what the code does, and the server does what it says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from service.intake import params
from service.openapi.document import UNDESCRIBED
from service.openapi.operations import OPERATIONS, PARAMETERS
from tests.results.served import project_in
from tests.support.running import CHECKOUT, Server, serving

_METHODS = {"get", "head", "put", "post", "delete", "patch"}
_WITHOUT_END = {"/live/events", "/api/v1/events"}
_NOT_TRIED = {*_WITHOUT_END, "/stop", "/api/v1/reload", "/api/v1/rollback"}  # one after another they would take minutes
_BY_KEY = {"api_key"}  # a parameter of every path: its security scheme says so
_READERS = {"flag", "dimension", "_text"}


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = project_in(tmp_path_factory.mktemp("openapi") / "p")
    with serving(project, "--workers", "1", "--stop-key", "a stop key of some length, which nobody guesses") as running:
        yield running


@pytest.fixture(name="document", scope="module")
def one_document(server: Server) -> dict[str, Any]:
    with server.client() as client:
        found: dict[str, Any] = client.get("/openapi.json").raise_for_status().json()
        return found


def test_each_route_and_method_is_in_both(document: dict[str, Any]) -> None:
    served = {
        (path, method.upper())
        for path, item in document["paths"].items()
        for method, what in item.items()
        if method in _METHODS
    }
    undescribed = [
        (path, method)
        for path, item in document["paths"].items()
        for method, what in item.items()
        if method in _METHODS and UNDESCRIBED in what
    ]
    assert not undescribed, "these need a row in service/openapi/operations.py"
    assert served == {(path, method) for path, known in OPERATIONS.items() for method in known}


def test_each_query_parameter_that_the_code_reads_is_described() -> None:
    described = {name for known in OPERATIONS.values() for one in known.values() for name in one.query}
    assert described == PARAMETERS.keys()
    assert described >= params._OURS - _BY_KEY
    read = {name for file in (CHECKOUT / "service").rglob("*.py") for name in _read_in(file)}
    assert {"context", "accept", "key", "wait_s"} <= read
    assert read - _BY_KEY <= described


def _read_in(file: Path) -> Iterator[str]:
    """The names of parameters that a file of ours asks the query for."""
    text = file.read_text()
    for node in ast.walk(ast.parse(text)) if "query_values" in text else ():
        if not isinstance(node, ast.Call):
            continue
        texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        if isinstance(node.func, ast.Name) and node.func.id in _READERS:
            yield from texts
        if isinstance(node.func, ast.Attribute) and node.func.attr == "get":
            asked = ast.unparse(node.func.value)
            yield from texts[:1] if asked == "values" or asked.startswith("query_values(") else ()


@pytest.mark.long
def test_the_server_does_what_the_description_says(server: Server, document: dict[str, Any]) -> None:
    schema = schemathesis.openapi.from_dict(document)
    tried = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.path in _NOT_TRIED:
            continue
        tried += 1
        _try(operation, server)
    assert tried > 30


def _try(operation: Any, server: Server) -> None:
    @settings(
        max_examples=4,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def one(case: Any) -> None:
        answer = case.call(base_url=server.url, allow_redirects=False)
        where = f"{case.method} {case.path}: {answer.status_code} {answer.content[:300]!r}"
        assert answer.status_code not in {500, 501, 502}, where
        if answer.status_code >= 400 and case.method != "HEAD":
            assert answer.headers["content-type"][0] == "application/problem+json", where

    one()


def test_the_page_to_try_it_has_its_own_policy(server: Server) -> None:
    with server.client() as client:
        answer = client.get("/api/docs").raise_for_status()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"https?://", answer.text)
    assert "static/api." in answer.text
