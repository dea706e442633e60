"""`/api/v1/frames/{id}/decisions`: what was decided about a frame, saying something of it, taking it back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import falcon

from service.access.keyring import Scope
from service.access.route import Route
from service.changes.asker import asker
from service.decisions.models import NewDecision, UndoModel
from service.decisions.rules import Kind, Place
from service.intake.checked import checked_body
from service.json_answer import answer_with
from service.results.documents import time_text
from workers.errors import InvalidParameter

if TYPE_CHECKING:
    from service.changes.log import Changes
    from service.decisions.deciding import Decided
    from service.decisions.rules import Decision
    from service.history.stored import Stored

_MOST_DIGITS = 18


class DecisionsDesk:
    """Decides as somebody asks, and notes it in the log of changes."""

    def __init__(self, stored: Stored, changes: Changes) -> None:
        self._stored = stored
        self._changes = changes

    def decide(self, req: falcon.Request, frame_id: str, wanted: NewDecision) -> Decided:
        """Decide; raises what Stored and `decide` raise."""
        from service.decisions.deciding import By, Said, decide  # noqa: PLC0415 - see above

        place = Place(**wanted.place.model_dump()) if wanted.place else None
        said = Said(Kind(wanted.kind), wanted.after, wanted.label, wanted.new_label, wanted.note, place)
        with self._stored.write() as connection:
            decided = decide(connection, frame_id, said, By(_who_asks(req), time.time_ns()))
        self._changes.note(*asker(req), f"decided_{wanted.kind}", {"frame": frame_id})
        return decided

    def undo(self, req: falcon.Request, frame_id: str, number: str, wanted: UndoModel) -> Decided:
        """Take a decision back; raises InvalidParameter, what Stored and `undo` raise."""
        from service.decisions.deciding import By, Said, undo  # noqa: PLC0415 - see above

        if not (number.isascii() and number.isdigit() and len(number) <= _MOST_DIGITS):
            raise InvalidParameter(f"{number[:40]!r} is no number of a decision")
        said = Said(Kind.UNDO, wanted.after, note=wanted.note)
        with self._stored.write() as connection:
            decided = undo(connection, frame_id, int(number), said, By(_who_asks(req), time.time_ns()))
        self._changes.note(*asker(req), "decided_undo", {"decision": int(number), "frame": frame_id})
        return decided


class DecisionsResource:
    """`GET`: a frame's decisions; `POST`: one more."""

    def __init__(self, stored: Stored, desk: DecisionsDesk) -> None:
        self._stored = stored
        self._desk = desk

    def on_get(self, _: falcon.Request, resp: falcon.Response, frame_id: str) -> None:
        """List them, with what holds now."""
        from service.decisions.deciding import decided_of  # noqa: PLC0415 - a front that nobody asks loads no database
        from service.history.frame_id import row_of  # noqa: PLC0415

        with self._stored.read() as connection:
            decided = decided_of(connection, row_of(connection, frame_id))
        _answer(resp, frame_id, decided)

    on_head = on_get

    def on_post(self, req: falcon.Request, resp: falcon.Response, frame_id: str) -> None:
        """Decide."""
        decided = self._desk.decide(req, frame_id, checked_body(req, NewDecision))
        resp.status = 201
        _answer(resp, frame_id, decided)


class UndoResource:
    """`POST`: a decision is taken back."""

    def __init__(self, desk: DecisionsDesk) -> None:
        self._desk = desk

    def on_post(self, req: falcon.Request, resp: falcon.Response, frame_id: str, number: str) -> None:
        """Take it back."""
        decided = self._desk.undo(req, frame_id, number, checked_body(req, UndoModel))
        resp.status = 201
        _answer(resp, frame_id, decided)


def decision_routes(stored: Stored, desk: DecisionsDesk) -> Iterator[Route]:
    """Yield the routes of decisions."""
    path = "/api/v1/frames/{frame_id}/decisions"
    yield Route(path, DecisionsResource(stored, desk), changes=Scope.OPERATE, for_page=True)
    yield Route(f"{path}/{{number}}/undo", UndoResource(desk), changes=Scope.OPERATE, for_page=True)


def _who_asks(req: falcon.Request) -> str:
    """Return the name of the key that a request came with; where there are no keys, its address."""
    return getattr(req.context, "client", None) or req.remote_addr


def decisions_document(decided: Decided) -> dict[str, Any]:
    """Return what was decided about a frame as JSON has it; what the machine said stands beside it."""
    holds = decided.holds
    return {
        "machine": {"verdict": decided.verdict, "labels": decided.machine_labels},
        "holds": None
        if holds.last is None
        else {
            "kind": holds.last.kind,
            "decision": holds.last.number,
            "truth": holds.truth,
            "labels": decided.labels,
        },
        "last": decided.last,
        "decisions": [_document(one, decided) for one in decided.decisions],
    }


def _document(one: Decision, decided: Decided) -> dict[str, Any]:
    return {
        "number": one.number,
        "time": time_text(one.at_ns),
        "who": one.who,
        "kind": one.kind,
        "label": one.label,
        "newLabel": one.new_label,
        "place": one.place._asdict() if one.place else None,
        "note": one.note,
        "undoes": one.undoes,
        "undone": not decided.may_be_undone(one),
    }


def _answer(resp: falcon.Response, frame_id: str, decided: Decided) -> None:
    answer_with(resp, {"frame": frame_id, **decisions_document(decided)})
