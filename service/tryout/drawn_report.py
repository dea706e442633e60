"""One page that shows which drawn defects a project misses, and where they are: as report.py's, without scripts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from service.tryout.drawn_score import percent
from service.tryout.report import templates
from workers.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.tryout.drawn import LeftOut, Outcome
    from service.tryout.drawn_score import DrawnScore
    from service.tryout.inspecting import Trial
    from service.tryout.row import Row

_MOST_SHOWN = 24  # of each kind: the page stays one that a browser opens at once
_MOST_GOOD = 24
_MOST_LINES = 200


@dataclass(slots=True)
class DrawnFindings:
    """What a page shows: missed defects of each kind, those that are seen best first; good parts that were refused."""

    missed: dict[str, list[Outcome]] = field(default_factory=dict)
    refused: list[Row] = field(default_factory=list)
    unjudged: list[Outcome] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def add(self, outcome: Outcome) -> Outcome:
        """Take an outcome where it belongs here; returns it without its pictures, to be kept elsewhere."""
        bare = replace(
            outcome, drawn=replace(outcome.drawn, before=b"", after=b""), row=replace(outcome.row, preview=b"")
        )
        if outcome.missed:
            rows = self.missed.setdefault(outcome.drawn.wish.kind, [])
            rows.append(outcome)
            rows.sort(key=conspicuous, reverse=True)
            del rows[_MOST_SHOWN:]
        elif not outcome.judged:
            self.unjudged.append(bare)
        return bare

    def refuse(self, row: Row) -> None:
        """Take a good part that is NOK, or could not be judged, without any defect."""
        self.refused.append(row if len(self.refused) < _MOST_GOOD else replace(row, preview=b""))


def conspicuous(outcome: Outcome) -> float:
    """Return how well a defect is seen: by its contrast, and by its size in the picture."""
    drawn = outcome.drawn
    return drawn.wish.contrast * math.sqrt(drawn.size_px / min(drawn.width_px, drawn.height_px))


def write_drawn_report(path: Path, trial: Trial, score: DrawnScore, findings: DrawnFindings, good: int) -> None:
    """Write the page; `good` is how many pictures were drawn into. Raises OSError where it cannot be written."""
    pages = templates()
    pages.filters["percent"] = percent
    content = pages.get_template("drawn.html").render(
        project=trial.project.name,
        folder=printable(trial.project.folder),
        version=trial.version,
        score=score,
        findings=findings,
        good=good,
        refused=findings.refused[:_MOST_GOOD],
        trouble=_trouble(findings)[:_MOST_LINES],
    )
    path.write_text(content, "utf-8")


def _trouble(findings: DrawnFindings) -> Sequence[tuple[str, str]]:
    """Return pictures and drawn ones of which nothing can be said, and why."""
    left_out = [(printable(one.good), one.why) for one in findings.left_out]
    unjudged = [
        (f"{printable(one.good)}: {one.drawn.wish.kind}", "; ".join(one.row.notes)) for one in findings.unjudged
    ]
    beyond = [(row.name, f"is {row.verdict} without any defect") for row in findings.refused[_MOST_GOOD:]]
    return [*left_out, *unjudged, *beyond]
