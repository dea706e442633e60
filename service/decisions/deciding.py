"""Deciding: what somebody says is added, and what holds now is renewed in the same transaction.

Who decides says up to which decision he has seen the frame's: two people at once agree, or one of them is told.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select

from service.decisions.rules import Decision, Holds, Kind, Place, refuse_without_verdict, refuse_wrong, what_holds
from service.history.frame_id import row_of
from service.history.schema.decision_tables import DECIDED, DECISIONS
from service.history.schema.tables import LABELS
from service.own_errors import CannotDecide, DecidedMeanwhile, NotFound
from service.results.documents import time_text

if TYPE_CHECKING:
    from sqlalchemy import Row


class By(NamedTuple):
    """Who says something, and when."""

    who: str
    at_ns: int


class Said(NamedTuple):
    """What somebody wants to say; `after` is the number of the last decision that he has seen, 0: of none."""

    kind: Kind
    after: int
    label: str | None = None
    new_label: str | None = None
    note: str | None = None
    place: Place | None = None


class Decided(NamedTuple):
    """A frame's decisions in their order, what holds of them, and what the machine said."""

    verdict: str
    machine_labels: tuple[str, ...]
    decisions: tuple[Decision, ...]
    holds: Holds

    @property
    def last(self) -> int:
        """The number of the last decision; 0 where there is none."""
        return self.decisions[-1].number if self.decisions else 0

    @property
    def labels(self) -> list[str]:
        """Its labels as people see it."""
        return self.holds.labels_of(self.machine_labels)

    def may_be_undone(self, one: Decision) -> bool:
        """Whether it can be taken back."""
        return one.number not in self.holds.undone


def decided_of(connection: Connection, record: Row[Any]) -> Decided:
    """Return what was decided about a frame, by its row."""
    rows = connection.execute(
        select(DECISIONS).where(DECISIONS.c.record == record.number).order_by(DECISIONS.c.number)
    ).all()
    of_machine = select(LABELS.c.label).where(LABELS.c.record == record.number).order_by(LABELS.c.label)
    labels = connection.scalars(of_machine).all()
    decisions = tuple(map(decision_of, rows))
    return Decided(record.verdict, tuple(labels), decisions, what_holds(decisions))


def decide(connection: Connection, frame_id: str, said: Said, by: By) -> Decided:
    """Add a decision; returns the frame's, this one among them.

    Raises:
        NotFound: there is no such frame.
        CannotDecide: this cannot be said of it.
        DecidedMeanwhile: there are decisions that `after` does not know of.
    """
    record = row_of(connection, frame_id, to_decide=True)
    refuse_without_verdict(record.verdict, record.held)
    before = decided_of(connection, record)
    refuse_wrong(record.verdict, before.machine_labels, said.kind, said.label)
    _refuse_unseen(before, said.after)
    return _add(connection, record, said, by)


def undo(connection: Connection, frame_id: str, number: int, said: Said, by: By) -> Decided:
    """Take a decision back, which may be an undo itself; raises as `decide` does."""
    record = row_of(connection, frame_id, to_decide=True)
    before = decided_of(connection, record)
    meant = next((one for one in before.decisions if one.number == number), None)
    if meant is None:
        raise NotFound(f"there is no decision {number} about frame {frame_id}")
    _refuse_unseen(before, said.after)
    if not before.may_be_undone(meant):
        raise CannotDecide(f"decision {number} was taken back already")
    return _add(connection, record, said, by, undoes=number)


def _refuse_unseen(before: Decided, after: int) -> None:
    if after == before.last:
        return
    if after > before.last:
        raise CannotDecide(f"after={after} is no decision about this frame; the last one is {before.last}")
    last = before.decisions[-1]
    raise DecidedMeanwhile(
        f"meanwhile {last.who} has decided at {time_text(last.at_ns)}: {last.kind}, number {last.number}; "
        f"look at the frame again, and say after={last.number}"
    )


def _add(connection: Connection, record: Row[Any], said: Said, by: By, undoes: int | None = None) -> Decided:
    row = {
        "record": record.number,
        **by._asdict(),
        "kind": said.kind.value,
        "label": said.label,
        "new_label": said.new_label,
        "note": said.note,
        "undoes": undoes,
        **(said.place._asdict() if said.place else {}),
    }
    connection.execute(insert(DECISIONS), row)
    after = decided_of(connection, record)
    connection.execute(delete(DECIDED).where(DECIDED.c.record == record.number))
    if (last := after.holds.last) is not None:
        now = {"record": record.number, "decision": last.number, "kind": last.kind.value, "truth": after.holds.truth}
        connection.execute(insert(DECIDED), {**now, "came_ns": record.came_ns})
    return after


def decision_of(row: Row[Any]) -> Decision:
    """Return the decision of a row of DECISIONS."""
    place = None if row.x is None else Place(row.x, row.y, row.width, row.height)
    return Decision(
        row.number, row.at_ns, row.who, Kind(row.kind), row.label, row.new_label, row.note, row.undoes, place
    )


def decided_of_many(connection: Connection, numbers: Collection[int]) -> dict[int, tuple[str, str | None]]:
    """Return the kind of what holds, and the truth, of those frames that were decided, by their numbers."""
    columns = DECIDED.c
    rows = connection.execute(select(columns.record, columns.kind, columns.truth).where(columns.record.in_(numbers)))
    return {row.record: (row.kind, row.truth) for row in rows}
