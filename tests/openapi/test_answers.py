"""A real server does what its description says: answers have the described shapes, hostile requests are refused."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import checks
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks as openapi_checks

from tests.openapi.conftest import METHODS
from tests.support.running import Server

pytestmark = pytest.mark.long

_WITHOUT_END = {"/live/events", "/api/v1/events"}
_NOT_TRIED = {*_WITHOUT_END, "/stop", "/api/v1/reload", "/api/v1/rollback"}  # one after another they would take minutes
_CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]
_SAYS_SO = {"/readyz"}  # its 503 is no error of the server: it says that the switch is off


def _shape(document: dict[str, Any], path: str, method: str, status: int) -> Any:
    content = document["paths"][path][method]["responses"][str(status)]["content"]
    schema = content["application/json"]["schema"]
    return jsonschema_rs.validator_for({**schema, "components": document["components"]})


def test_real_answers_have_the_shapes_that_are_described(server: Server, document: dict[str, Any], frame: str) -> None:
    asked: list[tuple[str, str, str, Any, int]] = [
        ("get", "/livez", "", None, 200),
        ("get", "/readyz", "", None, 200),
        ("get", "/api/v1/status", "", None, 200),
        ("get", "/api/v1/process", "", None, 200),
        ("put", "/api/v1/process", "", {"process": True}, 200),
        ("get", "/api/v1/alerts", "", None, 200),
        ("get", "/api/v1/parts/{part}", "", None, 200),
        ("post", "/api/v1/frames/{frame_id}/decisions", "", {"kind": "confirmed", "after": 0}, 201),
        ("post", "/api/v1/frames/{frame_id}/decisions/{number}/undo", "", {"after": 1}, 201),
        (
            "post",
            "/api/v1/frames/{frame_id}/decisions",
            "",
            {"kind": "label", "after": 2, "label": "scratch", "newLabel": "dent", "note": "seen"},
            201,
        ),
        ("get", "/api/v1/frames/{frame_id}/decisions", "", None, 200),
        ("get", "/api/v1/frames", "?count=1", None, 200),
        ("get", "/api/v1/frames/{frame_id}", "", None, 200),
        ("get", "/api/v1/statistics", "?period=today&label=scratch", None, 200),
        ("get", "/api/v1/shifts", "?days=2", None, 200),
        ("put", "/api/v1/inputs", "", {"values": {"order": "A1"}}, 200),
        ("get", "/api/v1/inputs", "", None, 200),
        ("get", "/api/v1/overrides", "", None, 200),
        ("delete", "/api/v1/overrides", "", None, 200),
    ]
    with server.client() as client:
        for method, path, query, body, status in asked:
            there = path.format(frame_id=frame, number=1, part="4711") if "{" in path else path
            answer = client.request(method, there + query, json=body)
            assert answer.status_code == status, f"{method} {path}: {answer.text}"
            shape = _shape(document, path, method, status)
            assert [f"{method} {path}: {error}" for error in shape.iter_errors(answer.json())] == []
            assert not shape.is_valid({"nothing": "of it"})
    described = {
        (method, path)
        for path, item in document["paths"].items()
        for method, what in item.items()
        if method in METHODS and "$ref" in str(what["responses"].get("200", what["responses"].get("201")))
    }
    waits = {"/api/v1/reload", "/api/v1/rollback", "/api/v1/alerts/{name}/acknowledge"}
    left = {one for one in described if one[1] not in waits} - {(method, path) for method, path, *_ in asked}
    assert left == {("put", "/api/v1/overrides")}


def test_a_key_of_the_described_scope_is_what_is_asked_for(keys: tuple[Server, dict[str, str]]) -> None:
    server, made = keys
    order = ["analyze", "operate", "admin"]
    with server.client(**{"X-API-Key": made["admin"]}) as client:
        document = client.get("/openapi.json").raise_for_status().json()
    tried = 0
    for path, item in document["paths"].items():
        for method, what in item.items():
            if method not in METHODS or path in {*_WITHOUT_END, "/sign_out"}:
                continue
            there = path
            for name in ("frame_id", "name", "part", "number"):
                there = there.replace(f"{{{name}}}", "1")
            scope = what.get("x-scope")
            with server.client() as client:
                statuses = {
                    one: client.request(method, there, headers={"X-API-Key": made[one]} if one else {}).status_code
                    for one in ("", *order[: order.index(scope) if scope else 0])
                }
            if scope is None:
                assert statuses[""] != 403, f"{method} {path}"
                continue
            tried += 1
            assert statuses.pop("") in {401, 303}, f"{method} {path} without a key"
            assert set(statuses.values()) <= {403}, f"{method} {path}: {statuses}"
            if scope != "admin":  # those would have the project loaded anew
                with server.client(**{"X-API-Key": made[scope]}) as client:
                    assert client.request(method, there).status_code not in {401, 403}, f"{method} {path}"
    assert tried > 60


def test_the_server_does_what_the_description_says(server: Server, document: dict[str, Any], frame: str) -> None:
    schema = schemathesis.openapi.from_dict(document)
    tried = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        if operation.path in _NOT_TRIED:
            continue
        tried += 1
        _try(operation, server, frame)
    assert tried > 60


def _try(operation: Any, server: Server, frame: str) -> None:
    @settings(
        max_examples=4,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), known=st.booleans())
    def one(case: Any, known: bool) -> None:
        if known and "frame_id" in (case.path_parameters or {}):
            case.path_parameters["frame_id"] = frame
        answer = case.call(base_url=server.url, allow_redirects=False)
        where = f"{case.method} {case.path}: {answer.status_code} {answer.content[:300]!r}"
        assert answer.status_code not in {500, 501, 502}, where
        if answer.status_code >= 400 and case.method != "HEAD" and operation.path not in _SAYS_SO:
            kinds = {"application/problem+json"} | ({"text/html; charset=utf-8"} if _is_form(case) else set())
            assert answer.headers["content-type"][0] in kinds, where
        if case.method != "HEAD" and answer.status_code != 503:  # so many at once, or the switch is off
            case.validate_response(answer, checks=_CHECKS)

    one()


def _is_form(case: Any) -> bool:
    """Whether a browser sends it: a form with a mistake is shown again."""
    return "application/x-www-form-urlencoded" in str(case.operation.definition.raw.get("requestBody"))
