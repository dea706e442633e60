"""What one version of a project says of pictures that another does not: verdicts, and what they come from."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from service.tryout.row import Row, Value

_MOST_DIFFERENCES = 40  # of one frame
_CLOSE = 1e-9


class Difference(NamedTuple):
    """One thing that both versions have and say otherwise, as text; nothing where one of them does not have it."""

    what: str
    old: str
    new: str

    @property
    def words(self) -> str:
        """Say it in a line."""
        return f"{self.what} {self.old or 'none'} -> {self.new or 'none'}"


@dataclass(frozen=True, slots=True)
class Pair:
    """One frame as both versions have it. `old` is None where it was not asked; `wrong` says what a proof expected."""

    new: Row
    old: Row | None = None
    wrong: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether its verdict is another one."""
        return self.old is not None and self.old.verdict != self.new.verdict

    @property
    def how(self) -> str:
        """Say how its verdict changes."""
        return f"{self.old.verdict} -> {self.new.verdict}" if self.changes and self.old else self.new.verdict

    @property
    def differences(self) -> list[Difference]:
        """What differs beside the verdict: labels and their counts, scores, errors, the project's own values."""
        if self.old is None:
            return []
        return [*_differences(self.old, self.new)][:_MOST_DIFFERENCES]


@dataclass(slots=True)
class Compared:
    """The frames whose verdict changes, and those that keep theirs for other reasons; how many there were."""

    frames: int = 0
    changed: list[Pair] = field(default_factory=list)
    otherwise: list[Pair] = field(default_factory=list)

    @classmethod
    def of(cls, old: Sequence[Row], new: Sequence[Row]) -> Compared:
        """Compare rows of the same files, in the same order."""
        compared = cls(len(new))
        for pair in (Pair(after, before) for before, after in zip(old, new, strict=True)):
            if pair.changes:
                compared.changed.append(pair)
            elif pair.old and found_otherwise(pair.old, pair.new):
                compared.otherwise.append(pair)
        return compared

    @property
    def ways(self) -> Mapping[str, int]:
        """How many frames change in which way, most first."""
        return dict(Counter(pair.how for pair in self.changed).most_common())

    def words(self) -> str:
        """Say it in a sentence."""
        count = len(self.changed)
        ways = ", ".join(f"{n} {how}" for how, n in self.ways.items())
        said = f"{self.frames} frame{'s' if self.frames != 1 else ''}: "
        said += f"{count} verdict{'s change' if count != 1 else ' changes'} ({ways})" if count else "no verdict changes"
        if self.otherwise:
            said += f"; {len(self.otherwise)} more find something else, with the same verdict"
        return said


def found_otherwise(old: Row, new: Row) -> bool:
    """Whether two rows with the same verdict have other labels, another count of them, or other errors."""
    return (sorted(old.labels), old.found, old.notes) != (sorted(new.labels), new.found, new.notes)


def _differences(old: Row, new: Row) -> Iterator[Difference]:
    before, after = Counter(old.labels), Counter(new.labels)
    for label in dict.fromkeys((*before, *after)):
        if before[label] != after[label]:
            yield Difference(f"found: {label}", str(before[label]), str(after[label]))
    unnamed = old.found - len(old.labels), new.found - len(new.labels)
    if unnamed[0] != unnamed[1]:
        yield Difference("found: without a label", *map(str, unnamed))
    for what in ("score", "threshold"):
        values: tuple[Value, Value] = (getattr(old, what), getattr(new, what))
        if _differ(*values):
            yield Difference(what, *map(_text, values))
    for name in dict.fromkeys((*old.values, *new.values)):
        pair = old.values.get(name), new.values.get(name)
        if _differ(*pair):
            yield Difference(name, *map(_text, pair))
    if old.notes != new.notes:
        yield Difference("errors", "; ".join(old.notes), "; ".join(new.notes))


def _differ(old: Value | None, new: Value | None) -> bool:
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in (old, new))
    if numbers and old is not None and new is not None:
        return not math.isclose(float(old), float(new), rel_tol=_CLOSE, abs_tol=_CLOSE)
    return old != new


def _text(value: Value | None) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
