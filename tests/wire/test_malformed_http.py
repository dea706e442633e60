"""Malformed, odd and unusual requests on a socket of their own: the right statuses, and nothing inspected unasked."""

from __future__ import annotations

import json

import pytest

from tests.clients.raw_http import Answer, Connection, frame_request
from tests.support.noting import Noting
from tests.wire.malformed import CASES, Case


def _exchange(port: int, case: Case) -> list[Answer]:
    """Send the case and nothing else; returns every answer up to the end of the connection."""
    answers: list[Answer] = []
    with Connection(port) as client:
        client.send(case.request)
        if not case.ends:
            for _ in case.statuses:
                answer = client.answer()
                if answer is None:
                    return answers
                answers.append(answer)
        client.rest()
        while (answer := client.answer()) is not None:
            answers.append(answer)
    return answers


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_request_gets_the_answers_of_the_table(noting: Noting, case: Case) -> None:
    before = noting.noted_bytes
    answers = _exchange(noting.server.port, case)
    assert [answer.status for answer in answers] == list(case.statuses)
    for answer in answers:
        if answer.status >= 400 and answer.head.count(b"application/problem+json"):
            assert json.loads(answer.body)["error"] is True
    inspected = [mark for mark in noting.since(before) if mark in case.marks]
    echoed = [answer.json()["mark"] for answer in answers if b'"mark":' in answer.body]
    assert inspected == echoed


TOLD = {
    "expect-unknown": "100-continue",
    "te-gzip-chunked": "Transfer-Encoding",
    "no-host": "Host is missing",
    "host-path": "Host is missing or malformed",
    "two-hosts": "stands twice",
    "no-version": "METHOD TARGET HTTP/1.1",
    "method-small": "capital letters",
    "version-2": "version of HTTP",
    "folded-value": "second line",
    "name-blank": "name of a header field",
    "length-word": "contradicts another",
    "too-long-header": "one is too long",
    "long-target": "first line of the request is too long",
    "coding-gzip": "Content-Encoding",
    "parts-of-another-kind": "multipart/form-data",
}


@pytest.mark.parametrize("name", TOLD)
def test_a_refusal_says_what_kind_of_mistake_it_was(noting: Noting, name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    (answer,) = _exchange(noting.server.port, case)
    assert TOLD[name] in answer.json()["detail"]
    assert answer.json()["status"] == answer.status


def test_what_holds_for_a_request_holds_for_the_same_request_again(noting: Noting) -> None:
    """A camera's known head goes past the parser: what the parser refuses must not be known."""
    for lines in (["Content-Encoding: gzip"], ["Transfer-Encoding: gzip, chunked"], []):
        known, odd = frame_request("known"), frame_request("odd", b"abcd", *lines)
        if not lines:
            odd = odd.replace(b"Host: line\r\n", b"")
        for _ in range(3):
            with Connection(noting.server.port) as client:
                for _ in range(3):
                    client.send(known)
                    answer = client.answer()
                    assert answer is not None
                    assert answer.status == 200
                client.send(odd)
                answer = client.answer()
                assert answer is not None
                assert answer.status in {400, 415, 501}


def test_the_server_is_as_before_after_all_of_them(noting: Noting) -> None:
    with Connection(noting.server.port) as client:
        client.send(frame_request("after"))
        answer = client.answer()
        assert answer is not None
        assert answer.json()["mark"] == "after"
    status = noting.server.status()
    assert status["slots"]["free_here"] >= status["slots"]["per_front"]
    assert status["workers"]["deaths"] == 0
    log = "".join(noting.server.log)
    assert "Traceback" not in log, log[log.index("Traceback") :][:4000]
