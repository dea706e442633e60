"""One page about what a module has learned: no script, nothing from elsewhere, light and dark, pictures inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.taught.histogram import histogram
from service.taught.summary import Kind, Summary
from service.tryout.report import templates
from workers.teaching.shown import Shown, show_drawn, show_good
from workers.text import printable

if TYPE_CHECKING:
    from workers.teaching.lesson import DrawnLook

_WORST_GOOD = 8
_MISSED = 3  # of each kind
_MOST_LEFT_OUT = 100


@dataclass(frozen=True, slots=True)
class Figure:
    """Two pictures side by side: as the module sees it, and with heat. `kind` colours what is `said` of it."""

    name: str
    said: str
    kind: str
    shown: Shown


def taught_page(summary: Summary, following: Sequence[str]) -> str:
    """Return the page; `following` are commands to type next."""
    taught = summary.taught
    page = templates().get_template("train.html").render(
        summary=summary,
        about=taught.about,
        scores=histogram(taught.about.held_out, [each.score for each in taught.drawn], taught.about.threshold),
        good=[_good_figure(summary, number) for number in summary.worst_good(_WORST_GOOD)],
        missed=[
            (kind, [_drawn_figure(summary, each) for each in kind.missed[:_MISSED]])
            for kind in summary.kinds
            if kind.missed
        ],
        found=[_drawn_figure(summary, each) for kind in summary.kinds for each in _typical(kind)],
        left_out=[(printable(path), why) for path, why in taught.gathered.left_out[:_MOST_LEFT_OUT]],
        following=following,
    )  # fmt: skip
    return printable(page)


def _good_figure(summary: Summary, number: int) -> Figure:
    score, threshold = summary.taught.good[number], summary.taught.about.threshold
    nok = score >= threshold
    said = f"score {score:.3g}, {score / threshold:.2f} of the threshold: {'NOK' if nok else 'OK'}"
    path = summary.taught.gathered.files[number]
    return Figure(printable(path), said, "nok" if nok else "soft", show_good(summary.taught, number))


def _drawn_figure(summary: Summary, look: DrawnLook) -> Figure:
    threshold = summary.taught.about.threshold
    found = look.score >= threshold
    where = "" if not found or look.hit else ", hottest in another place"
    said = (
        f"{look.kind.replace('_', ' ')}: score {look.score:.3g}, {look.score / threshold:.2f} of the threshold{where}"
    )
    return Figure(
        printable(summary.taught.gathered.files[look.number]),
        said,
        "ok" if found else "nok",
        show_drawn(summary.taught, look),
    )


def _typical(kind: Kind) -> Sequence[DrawnLook]:
    """Return the one in the middle of those that were found."""
    return kind.found[len(kind.found) // 2 : len(kind.found) // 2 + 1]
