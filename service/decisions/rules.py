"""What holds of several decisions about one frame, and which ones may be made. Pure: it knows no database.

Decisions stand in their order. One that was taken back does not count, and neither does an undo that was taken back
itself; of verdicts the last counts, of labels the last for each label of the machine.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.own_errors import CannotDecide


class Kind(enum.StrEnum):
    """What somebody said."""

    CONFIRMED = "confirmed"  # the NOK was right
    FALSE_CALL = "false_call"  # it should have been OK
    ESCAPE = "escape"  # an OK that should have been NOK
    LABEL = "label"  # it has another label
    UNDO = "undo"


TRUTH = {Kind.CONFIRMED: "NOK", Kind.FALSE_CALL: "OK", Kind.ESCAPE: "NOK"}
_OF_VERDICT = {Kind.CONFIRMED: "NOK", Kind.FALSE_CALL: "NOK", Kind.ESCAPE: "OK"}
_WHY_NOT = {
    "ERROR": "it has no verdict, for it could not be inspected",
    "OFF": "it has no verdict, for the Process switch was off",
}


class Place(NamedTuple):
    """Where something lies in the picture: all of its width or height is 1."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing that somebody said about a frame. `undoes` is the number of the decision that it takes back."""

    number: int
    at_ns: int
    who: str
    kind: Kind
    label: str | None = None
    new_label: str | None = None
    note: str | None = None
    undoes: int | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Holds:
    """What holds now: the verdict, the labels by those of the machine, and which decisions were taken back."""

    verdict: Decision | None
    labels: dict[str | None, Decision]
    undone: frozenset[int]

    @property
    def last(self) -> Decision | None:
        """The decision that says most about it: of the verdict, else the last of a label."""
        return self.verdict or max(self.labels.values(), key=lambda one: one.number, default=None)

    @property
    def truth(self) -> str | None:
        """OK or NOK, as people see it; None where they have said nothing of that."""
        return TRUTH[self.verdict.kind] if self.verdict else None

    def labels_of(self, machine: Collection[str]) -> list[str]:
        """Return the labels of a frame as people see it, by those that the machine gave it; each once."""
        if self.truth == "OK":
            return []
        said = [self.verdict.label] if self.verdict and self.verdict.kind is Kind.ESCAPE else []
        if None in self.labels:
            said.append(self.labels[None].new_label)
        kept = [self.labels[label].new_label if label in self.labels else label for label in machine]
        return [*dict.fromkeys(label for label in (*said, *kept) if label is not None)]


def what_holds(decisions: Sequence[Decision]) -> Holds:
    """Return what holds of them; they stand in their order."""
    undone: set[int] = set()
    counting = []
    for one in reversed(decisions):
        if one.number in undone:
            continue
        if one.undoes is not None:
            undone.add(one.undoes)
        else:
            counting.append(one)
    verdict = next((one for one in counting if one.kind is not Kind.LABEL), None)
    labels: dict[str | None, Decision] = {}
    for one in counting:
        if one.kind is Kind.LABEL:
            labels.setdefault(one.label, one)
    return Holds(verdict, labels, frozenset(undone))


def refuse_without_verdict(verdict: str, held: str | None) -> None:
    """Raise CannotDecide of a frame of which the machine has said neither OK nor NOK."""
    if held is not None:
        why = f"the line was held by {held}, and its NOK is not what the machine said"
        raise CannotDecide(f"nothing can be decided about this frame: {why}")
    if verdict in _WHY_NOT:
        raise CannotDecide(f"nothing can be decided about this frame: {_WHY_NOT[verdict]} ({verdict})")


def refuse_wrong(verdict: str, labels: Collection[str], kind: Kind, label: str | None) -> None:
    """Raise CannotDecide where this cannot be said of a frame with such a verdict and labels of the machine."""
    if (wanted := _OF_VERDICT.get(kind, verdict)) != verdict:
        raise CannotDecide(f"{kind} can be said of a frame that was {wanted}; this one was {verdict}")
    if kind is not Kind.LABEL:
        return
    if label is None and (labels or verdict != "NOK"):
        raise CannotDecide(f"say which label is wrong; this frame, {verdict}, has {_listed(labels)}")
    if label is not None and label not in labels:
        raise CannotDecide(f"this frame has no label {label[:200]!r}; it has {_listed(labels)}")


def _listed(labels: Collection[str]) -> str:
    return ", ".join(repr(label[:200]) for label in [*labels][:8]) or "none"
