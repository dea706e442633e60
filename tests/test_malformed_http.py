"""Malformed, odd and unusual requests on a socket of their own: the right statuses, and nothing inspected unasked."""

from __future__ import annotations

import json

import pytest
from malformed import CASES, Case
from noting import Noting
from raw_http import Answer, Connection, frame_request


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
