"""Malformed, odd and unusual requests on a socket of their own: the right statuses, and nothing inspected unasked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from malformed import CASES, Case
from raw_http import Answer, Connection, frame_request
from running import Server, serving, write_project

NOTE = """
import os

def main(context):
    # one line per frame that was inspected; a single write is whole even where two workers write at once
    with open(os.environ["MARKS"], "ab", buffering=0) as marks:
        marks.write(context["data"].encode() + b"\\n")
    context["mark"] = context["data"]
"""


@pytest.fixture(name="marks", scope="module")
def marks_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server notes the mark of each frame that it inspects."""
    path = tmp_path_factory.mktemp("marks") / "marks"
    path.touch()
    return path


@pytest.fixture(scope="module")
def noting(tmp_path_factory: pytest.TempPathFactory, marks: Path) -> Iterator[Server]:
    """A server that notes each frame that it inspects."""
    folder = tmp_path_factory.mktemp("noting")
    project = write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/note.py"\n', note=NOTE)
    with serving(project, env={"MARKS": str(marks)}) as running:
        yield running


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
def test_a_request_gets_the_answers_of_the_table(noting: Server, marks: Path, case: Case) -> None:
    answers = _exchange(noting.port, case)
    assert [answer.status for answer in answers] == list(case.statuses)
    for answer in answers:
        if answer.status >= 400 and answer.head.count(b"application/problem+json"):
            assert json.loads(answer.body)["error"] is True
    inspected = [mark for mark in marks.read_text().split() if mark in case.marks]
    echoed = [answer.json()["mark"] for answer in answers if b'"mark":' in answer.body]
    assert inspected == echoed


def test_the_server_is_as_before_after_all_of_them(noting: Server) -> None:
    with Connection(noting.port) as client:
        client.send(frame_request("after"))
        answer = client.answer()
        assert answer is not None
        assert answer.json()["mark"] == "after"
    status = noting.status()
    assert status["slots"]["free_here"] >= status["slots"]["per_front"]
    assert status["workers"]["deaths"] == 0
    assert "Traceback" not in "".join(noting.log)
