"""How many drawn defects a project finds: by kind, and of each kind by size and by contrast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from service.tryout.drawn import Outcome


@dataclass(slots=True)
class Count:
    """So many were drawn, found, and found at their place; `placed` are those of which the flow says where they are."""

    drawn: int = 0
    found: int = 0
    right: int = 0
    placed: int = 0
    least_px: float = float("inf")
    most_px: float = 0.0

    def add(self, outcome: Outcome) -> None:
        """Take one more."""
        self.drawn += 1
        self.found += outcome.found
        self.right += outcome.place == "right"
        self.placed += bool(outcome.place)
        self.least_px = min(self.least_px, outcome.drawn.size_px)
        self.most_px = max(self.most_px, outcome.drawn.size_px)

    @property
    def missed(self) -> int:
        """How many passed."""
        return self.drawn - self.found

    @property
    def share(self) -> float:
        """Which share was found."""
        return self.found / self.drawn if self.drawn else 0.0

    @property
    def px(self) -> str:
        """Between which sizes they are."""
        least, most = round(self.least_px), round(self.most_px)
        return f"{least} px" if least == most else f"{least}\u2013{most} px"

    @property
    def words(self) -> str:
        """Say how many of how many."""
        return f"{self.found}/{self.drawn}" if self.drawn else "-"


@dataclass(slots=True)
class DrawnScore:
    """Counts of drawn defects; those that the flow could not judge count nowhere but in `unjudged`."""

    kinds: Sequence[str]
    sizes: Sequence[str]
    contrasts: Sequence[str]
    all: Count = field(default_factory=Count)
    unjudged: int = 0
    by_kind: dict[str, Count] = field(default_factory=dict)
    by_size: dict[tuple[str, str], Count] = field(default_factory=dict)
    by_contrast: dict[tuple[str, str], Count] = field(default_factory=dict)

    def add(self, outcome: Outcome) -> None:
        """Count one more."""
        if not outcome.judged:
            self.unjudged += 1
            return
        kind = outcome.drawn.wish.kind
        self.all.add(outcome)
        self.by_kind.setdefault(kind, Count()).add(outcome)
        self.by_size.setdefault((kind, outcome.size), Count()).add(outcome)
        self.by_contrast.setdefault((kind, outcome.contrast), Count()).add(outcome)

    def of(self, kind: str, level: str = "") -> Count:
        """Return the count of a kind, of one of its sizes or contrasts; an empty one where there is none."""
        if not level:
            return self.by_kind.get(kind, Count())
        return self.by_size.get((kind, level)) or self.by_contrast.get((kind, level)) or Count()

    def words(self) -> str:
        """Say it in a sentence."""
        count = self.all
        said = f"{count.drawn} defects drawn: {count.found} found, {count.missed} missed ({percent(count.share)} found)"
        if count.placed:
            said += f"; of {count.placed} that are marked, {count.right} at their place"
        if self.unjudged:
            said += f"; {self.unjudged} more could not be judged"
        return said

    def lines(self) -> list[str]:
        """Return the table."""
        levels = [*self.sizes, *self.contrasts]
        width = max(6, *(len(kind) for kind in self.kinds))
        wide = [max(7, len(level), *(len(self.of(kind, level).words) for kind in self.kinds)) for level in levels]
        head = "  ".join(f"{level:>{n}}" for level, n in zip(levels, wide, strict=True))
        lines = [f"{'defect':{width}}  drawn  missed  found  at its place  {head}"]
        for kind in self.kinds:
            count = self.of(kind)
            cells = "  ".join(f"{self.of(kind, level).words:>{n}}" for level, n in zip(levels, wide, strict=True))
            place = f"{count.right}/{count.placed}" if count.placed else "-"
            lines.append(
                f"{kind:{width}}  {count.drawn:5}  {count.missed:6}  {percent(count.share):>5}  {place:>12}  {cells}"
            )
        return lines


def percent(share: float) -> str:
    """Return a share as it is printed: one that falls short of all never looks like it, nor a small one like none."""
    if 0 < share < 1:
        return f"{min(99, max(1, round(100 * share)))} %"
    return f"{round(100 * share)} %"
