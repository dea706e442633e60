"""What a run prints: a line for each frame, sentences at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from service.tryout.row import Row
from service.tryout.score import VERDICTS, Score, figure
from workers.text import printable

_WIDEST = 60
_NARROWEST = 4


@dataclass(slots=True)
class Tally:
    """How many frames had which verdict."""

    verdicts: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    false: int = 0

    def add(self, row: Row) -> None:
        """Count one more."""
        self.verdicts[row.verdict] += 1
        self.failed += row.failed
        self.false += row.is_false

    def words(self) -> str:
        """Say it."""
        frames = self.verdicts.total()
        counts = ", ".join(f"{self.verdicts[verdict]} {verdict}" for verdict in VERDICTS if self.verdicts[verdict])
        said = f"{frames} frame{'s' if frames != 1 else ''}: {counts}"
        return f"{said} ({self.failed} of them because the flow failed)" if self.failed else said


class Table:
    """Lines below one another; how wide names are is known before the first."""

    def __init__(self, files: Iterable[Path], *, judged: bool = False) -> None:
        self._width = max([_NARROWEST, *(min(_WIDEST, len(printable(path))) for path in files)])
        self._judged = judged

    def head(self) -> str:
        """Return the line above all others."""
        right = "right  " if self._judged else ""
        return f"verdict  {right}{'file':{self._width}}   score  flow ms  found"

    def line(self, row: Row) -> str:
        """Return the line of a frame; a verdict that is false has a mark."""
        right = ""
        if self._judged:
            right = f"{row.right + (' !' if row.is_false else ''):5}  "
        numbers = " " * 15 if row.verdict == "ERROR" else f"{row.score:6.2f}  {row.flow_ms:7.1f}"
        words = "  ".join(filter(None, (row.found_words, "; ".join(map(_one_line, row.notes)))))
        return f"{row.verdict:7}  {right}{row.name:{self._width}}  {numbers}  {words}".rstrip()


def score_lines(score: Score) -> Sequence[str]:
    """Return what is said of a run against the truth."""
    figures = f"precision {figure(score.precision)}, recall {figure(score.recall)}, F1 {figure(score.f1)}"
    lines = [
        f"{figures} (of {score.frames} frames with a right verdict; NOK is what is to be found)",
        "",
        f"{'':13}{'said OK':>9}{'said NOK':>10}{'no verdict':>12}",
    ]
    for result, what in ((True, "really OK"), (False, "really NOK")):
        ok, nok, error = (score.counts[result, verdict] for verdict in VERDICTS)
        lines.append(f"{what:13}{ok:9}{nok:10}{error:12}")
    if score.kinds:
        width = max(6, *(len(kind.label) for kind in score.kinds))
        lines += ["", f"{'defect':{width}}  parts  found  taken for"]
        for kind in score.kinds:
            taken_for = ", ".join(f"{count} {label}" for label, count in kind.taken_for)
            lines.append(f"{kind.label:{width}}  {kind.parts:5}  {kind.found:5}  {taken_for}".rstrip())
    return lines


def _one_line(text: str) -> str:
    return " ".join(text.split())
