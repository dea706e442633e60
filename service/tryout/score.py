"""How often a project is right: its verdicts against those of somebody who looked at the parts.

A part that is NOK is what a project is to find, so precision is the share of NOK verdicts that are right, and recall
the share of NOK parts that were found. A frame that ended in an error has no verdict, and counts in neither.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from service.tryout.row import Row

VERDICTS = ("OK", "NOK", "ERROR")
_NAMED = 3  # labels that one kind of defect is taken for


@dataclass(frozen=True, slots=True)
class Kind:
    """Parts that are NOK for one reason: how many, how many were found, and what they were taken for, most first."""

    label: str
    parts: int
    found: int
    taken_for: tuple[tuple[str, int], ...]


@dataclass(slots=True)
class Score:
    """Counts of frames by what is right and what was said, and the reasons why parts are NOK."""

    counts: Counter[tuple[bool, str]] = field(default_factory=Counter)
    unknown: int = 0
    _labels: dict[str, Counter[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Score:
        """Count rows; those of which nothing is known are `unknown`."""
        score = cls()
        for row in rows:
            score.add(row)
        return score

    def add(self, row: Row) -> None:
        """Count one more."""
        if row.expected is None:
            self.unknown += 1
            return
        self.counts[row.expected.result, row.verdict] += 1
        if row.expected.label and not row.expected.result and row.verdict != "ERROR":
            said = row.labels[0] if row.verdict == "NOK" and row.labels else row.verdict
            self._labels.setdefault(row.expected.label, Counter())[said] += 1

    @property
    def frames(self) -> int:
        """How many have a right verdict."""
        return self.counts.total()

    @property
    def false_ok(self) -> int:
        """NOK parts that passed."""
        return self.counts[False, "OK"]

    @property
    def false_nok(self) -> int:
        """Good parts that were refused."""
        return self.counts[True, "NOK"]

    @property
    def errors(self) -> int:
        """Frames without a verdict."""
        return self.counts[True, "ERROR"] + self.counts[False, "ERROR"]

    @property
    def precision(self) -> float | None:
        """The share of NOK verdicts that are right; None where there was none."""
        return _share(self.counts[False, "NOK"], self.false_nok)

    @property
    def recall(self) -> float | None:
        """The share of NOK parts that were found; None where there was none."""
        return _share(self.counts[False, "NOK"], self.false_ok)

    @property
    def f1(self) -> float | None:
        """The harmonic mean of both; None where there was no NOK at all."""
        return _share(2 * self.counts[False, "NOK"], self.false_nok + self.false_ok)

    @property
    def kinds(self) -> list[Kind]:
        """What the truth says of NOK parts, those first of which most were missed."""
        kinds = [
            Kind(
                label,
                said.total(),
                said.total() - said["OK"],
                tuple((name, n) for name, n in said.most_common() if name not in VERDICTS)[:_NAMED],
            )
            for label, said in self._labels.items()
        ]
        return sorted(kinds, key=lambda kind: (kind.found - kind.parts, kind.label))


def figure(share: float | None) -> str:
    """Return a share as it is printed; one that falls short of 1 never looks like it."""
    if share is None:
        return "-"
    return f"{min(share, 0.999):.3f}" if share < 1 else "1.000"


def _share(right: int, wrong: int) -> float | None:
    return right / (right + wrong) if right + wrong else None
