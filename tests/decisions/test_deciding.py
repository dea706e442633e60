"""Decisions: what the machine said stays, the last that was not taken back holds, two people at once agree."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.decisions.rates import Cell, Counts, rates
from service.history.schema.decision_tables import DECIDED
from service.history.schema.tables import RECORDS
from service.own_errors import CannotDecide, DecidedMeanwhile, NotFound
from tests.decisions.stories import Told
from tests.history.kept import NOW_NS, SECOND_NS, rows

FRAMES = [("NOK", ["scratch", "dent"]), ("OK", ["screw"]), ("ERROR", []), ("OFF", []), ("NOK", []), ("OK", [])]
NOK, OK, ERROR, OFF, NOK_WITHOUT, OK_WITHOUT = range(1, 7)


@pytest.fixture(name="path")
def a_path(tmp_path: Path) -> Path:
    return tmp_path / "history" / "history.sqlite"


@pytest.fixture(name="told")
def a_history(path: Path) -> Iterator[Told]:
    made = Told(path, FRAMES)
    yield made
    made.engine.dispose()


def _holds(told: Told, frame: int) -> tuple[str, str | None] | None:
    """What filters and statistics are told of a frame."""
    with told.engine.begin() as connection:
        query = select(DECIDED.c.kind, DECIDED.c.truth, DECIDED.c.came_ns, RECORDS.c.came_ns)
        row = connection.execute(
            query.join(RECORDS, RECORDS.c.number == DECIDED.c.record).where(DECIDED.c.record == frame)
        ).first()
    assert row is None or row[2] == row[3] == NOW_NS + frame * SECOND_NS
    return row and (row.kind, row.truth)


def test_a_nok_is_confirmed_and_a_false_call_after_all(told: Told, path: Path) -> None:
    machine = rows(path, "SELECT * FROM records")
    first = told.say(NOK, "confirmed", note="seen under the glass")
    assert (_holds(told, NOK), first.labels) == (("confirmed", "NOK"), ["dent", "scratch"])
    second = told.say(NOK, "false_call", who="bert")
    assert (_holds(told, NOK), second.labels) == (("false_call", "OK"), [])
    assert [(one.who, one.kind, one.note) for one in second.decisions] == [
        ("anna", "confirmed", "seen under the glass"),
        ("bert", "false_call", None),
    ]
    assert rows(path, "SELECT * FROM records") == machine
    assert sorted(second.machine_labels) == ["dent", "scratch"]


def test_what_is_taken_back_holds_no_more_and_taking_that_back_has_it_hold_again(told: Told) -> None:
    said = told.say(NOK, "false_call").last
    undone = told.take_back(NOK, said)
    assert (_holds(told, NOK), undone.holds.last) == (None, None)
    with pytest.raises(CannotDecide, match="was taken back already"):
        told.take_back(NOK, said)
    again = told.take_back(NOK, undone.last)
    assert _holds(told, NOK) == ("false_call", "OK")
    told.take_back(NOK, again.last)
    assert _holds(told, NOK) is None
    assert [one.kind for one in told.of(NOK).decisions] == ["false_call", "undo", "undo", "undo"]


def test_the_decision_before_holds_again(told: Told) -> None:
    told.say(NOK, "confirmed")
    last = told.say(NOK, "false_call").last
    told.take_back(NOK, last)
    assert _holds(told, NOK) == ("confirmed", "NOK")


def test_an_escape_has_what_was_overlooked_and_where(told: Told) -> None:
    said = told.say(OK, "escape", label="crack", place=(0.5, 0.25, 0.125, 0.5))
    assert _holds(told, OK) == ("escape", "NOK")
    assert said.labels == ["crack", "screw"]
    assert said.decisions[0].place == (0.5, 0.25, 0.125, 0.5)


def test_labels_are_corrected_beside_the_verdict(told: Told) -> None:
    told.say(NOK, "label", label="scratch", new_label="hair")
    assert _holds(told, NOK) == ("label", None)
    told.say(NOK, "confirmed")
    corrected = told.say(NOK, "label", label="scratch", new_label="crack")
    assert _holds(told, NOK) == ("confirmed", "NOK")
    assert corrected.labels == ["dent", "crack"]
    assert sorted(told.take_back(NOK, corrected.last).labels) == ["dent", "hair"]
    assert told.say(NOK_WITHOUT, "label", new_label="stain").labels == ["stain"]


@pytest.mark.parametrize(
    ("frame", "kind", "more", "why"),
    [
        (ERROR, "confirmed", {}, "could not be inspected"),
        (ERROR, "label", {"new_label": "a"}, "could not be inspected"),
        (OFF, "escape", {"label": "a"}, "the Process switch was off"),
        (OK, "confirmed", {}, "can be said of a frame that was NOK; this one was OK"),
        (OK, "false_call", {}, "can be said of a frame that was NOK; this one was OK"),
        (NOK, "escape", {"label": "a"}, "can be said of a frame that was OK; this one was NOK"),
        (NOK, "label", {"label": "rust", "new_label": "a"}, "no label 'rust'; it has 'dent', 'scratch'"),
        (NOK, "label", {"new_label": "a"}, "say which label is wrong"),
        (OK_WITHOUT, "label", {"new_label": "a"}, "say which label is wrong"),
    ],
)
def test_what_cannot_be_said_of_a_frame_is_refused(
    told: Told, frame: int, kind: str, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(CannotDecide, match=why):
        told.say(frame, kind, **more)
    assert told.of(frame).decisions == ()


def test_who_has_not_seen_the_last_decision_is_told(told: Told) -> None:
    first = told.say(NOK, "confirmed").last
    with pytest.raises(DecidedMeanwhile, match=f"anna has decided at .*: confirmed, number {first}"):
        told.say(NOK, "false_call", who="bert", after=0)
    with pytest.raises(CannotDecide, match="after=999 is no decision about this frame"):
        told.say(NOK, "false_call", after=999)
    with pytest.raises(NotFound, match="no decision 999"):
        told.take_back(NOK, 999)
    other = told.say(NOK_WITHOUT, "confirmed").last
    with pytest.raises(NotFound, match=f"no decision {other} about"):
        told.take_back(NOK, other)
    assert told.of(NOK).last == first


def test_of_many_at_once_one_decides_and_all_others_are_told(told: Told) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(8)

    def somebody(number: int) -> None:
        start.wait()
        try:
            told.say(NOK, "confirmed" if number % 2 else "false_call", who=str(number), after=0)
            outcomes.append("decided")
        except DecidedMeanwhile:
            outcomes.append("told")

    threads = [threading.Thread(target=somebody, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["decided", *["told"] * 7]
    assert len(told.of(NOK).decisions) == 1


def test_rates_are_by_label_and_by_place(told: Told, path: Path) -> None:
    with told.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO places VALUES (1, 0, 'scratch', 0.9, 0.9, 0.1, 0.1), (5, 0, NULL, 1, 1, 0, 0)"
        )
    told.say(NOK, "confirmed")
    told.say(NOK, "label", label="scratch", new_label="hair")
    told.say(NOK_WITHOUT, "false_call")
    told.say(OK, "escape", label="crack", place=(0.0, 0.0, 0.0, 0.0))
    told.take_back(OK_WITHOUT, told.say(OK_WITHOUT, "escape", label="crack").last)
    with told.engine.begin() as connection:
        found = rates(connection, None, None)
        none = rates(connection, NOW_NS + 90 * SECOND_NS, None)
        first = rates(connection, None, NOW_NS + 2 * SECOND_NS, camera="top")
        other = rates(connection, None, None, camera="side")
    assert (found.nok, found.undecided, found.counts) == (2, 0, Counts(1, 1, 1))
    assert (found.counts.false_call_share, found.counts.escape_share) == (0.5, 0.5)
    assert found.by_label == {
        "scratch": Counts(confirmed=1),
        "dent": Counts(confirmed=1),
        "": Counts(false_calls=1),
        "crack": Counts(escapes=1),
    }
    assert found.by_place == {Cell(15, 11): Counts(1, 1, 0), Cell(0, 0): Counts(escapes=1)}
    assert found.corrected == {("scratch", "hair"): 1}
    assert (first.nok, first.counts) == (1, Counts(confirmed=1))
    assert none.counts == other.counts == Counts()
    assert none.counts.false_call_share is None
    assert rows(path, "SELECT count(*) FROM decided") == [(3,)]


def test_a_frame_that_goes_takes_its_decisions_along(told: Told, path: Path) -> None:
    told.take_back(NOK, told.say(NOK, "confirmed").last)
    told.say(NOK, "false_call")
    with told.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM records WHERE number = 1")
    assert rows(path, "SELECT (SELECT count(*) FROM decisions), (SELECT count(*) FROM decided)") == [(0, 0)]
