"""What a module has learned, in figures and in words, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from workers.teaching.threshold import share_between
from workers.text import printable

if TYPE_CHECKING:
    from workers.teaching.gathering import Gathered
    from workers.teaching.lesson import DrawnLook
    from workers.teaching.teaching import Taught

_MIB = 1 << 20
_NAMED = 5  # of the files that were left out


def gathered_lines(gathered: Gathered, files: int) -> Iterator[str]:
    """Yield what became of the files that were named: what is left out by its reason, the first names of each."""
    by_reason: dict[str, list[str]] = {}
    for path, why in gathered.left_out:
        by_reason.setdefault(why, []).append(printable(path))
    for why, names in by_reason.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"left out, {why}: {', '.join(names[:_NAMED])}{more}"
    counted = [f"{gathered.twice} have the content of another"] if gathered.twice else []
    counted += [f"{gathered.known} were learned before"] if gathered.known else []
    if counted:
        yield f"of {files} pictures {' and '.join(counted)}"


@dataclass(frozen=True, slots=True)
class Kind:
    """Drawn defects of a kind: those that were found and those that were not, the faintest first."""

    name: str
    found: list[DrawnLook]
    missed: list[DrawnLook]
    misplaced: int

    @property
    def words(self) -> str:
        """Its name in words."""
        return self.name.replace("_", " ")

    @property
    def drawn(self) -> int:
        """How many there are."""
        return len(self.found) + len(self.missed)


@dataclass(frozen=True)
class Summary:
    """What was taught to the module `module` of `project`, and the size of the file that it loads."""

    project: str
    module: str
    file: str
    file_bytes: int
    taught: Taught

    @cached_property
    def kinds(self) -> list[Kind]:
        """The kinds of drawn defects, those first of which most were missed."""
        by_kind: dict[str, list[DrawnLook]] = {}
        for each in sorted(self.taught.drawn, key=lambda look: look.score):
            by_kind.setdefault(each.kind, []).append(each)
        kinds = []
        for name, looks in by_kind.items():
            found = [each for each in looks if each.score >= self.taught.about.threshold]
            kinds.append(Kind(name, found, looks[: len(looks) - len(found)], sum(not each.hit for each in found)))
        return sorted(kinds, key=lambda kind: (len(kind.found) / kind.drawn, kind.name))

    @property
    def good(self) -> int:
        """How many good pictures it has learned, those of earlier times too."""
        return len(self.taught.about.good)

    @property
    def known(self) -> int:
        """How many of them it had learned before."""
        return self.good - len(self.taught.gathered.files)

    @property
    def sizes(self) -> int:
        """How many sizes the pictures have."""
        return len({*self.taught.gathered.forms})

    @property
    def held_out(self) -> int:
        """How many good ones were held out: each once."""
        return len(self.taught.about.held_out)

    @property
    def false_alarms(self) -> int:
        """Held-out good pictures that would be NOK."""
        return sum(score >= self.taught.about.threshold for score in self.taught.about.held_out)

    @property
    def false_alarms_between(self) -> tuple[float, float]:
        """Between which shares the true one lies, in 19 of 20 cases."""
        return share_between(self.false_alarms, self.held_out)

    @property
    def found(self) -> int:
        """Drawn defects that were found."""
        return sum(len(kind.found) for kind in self.kinds)

    @property
    def misplaced(self) -> int:
        """How many of these were hottest in another place."""
        return sum(kind.misplaced for kind in self.kinds)

    @property
    def drawn(self) -> int:
        """Drawn defects."""
        return sum(kind.drawn for kind in self.kinds)

    @property
    def memory_mib(self) -> float:
        """What a process needs to look."""
        return self.taught.memory_bytes / _MIB

    @property
    def file_size(self) -> str:
        """The size of the file in words."""
        return f"{self.file_bytes / 1e6:.1f} MB" if self.file_bytes >= 1e6 else f"{self.file_bytes / 1e3:.0f} kB"

    def worst_good(self, count: int) -> list[int]:
        """Return the numbers of the good pictures with the highest scores, the highest first."""
        good = self.taught.good
        return sorted(good, key=lambda number: -good[number])[:count]

    @property
    def threshold_words(self) -> str:
        """Say how sure the threshold is."""
        about = self.taught.about
        least, most = self.false_alarms_between
        share = self.false_alarms / self.held_out
        return (
            f"of {self.held_out} held-out good pictures {self.false_alarms} would be NOK ({share:.1%}), "
            f"{100 * about.false_alarms:.3g}% was asked for; the true share lies between {least:.1%} and {most:.1%}"
        )

    def lines(self) -> Iterator[str]:
        """Yield what is said on a terminal."""
        taught, about = self.taught, self.taught.about
        yield f"{self.module}: {self.good} good pictures learned by {about.method}, which {about.why}"
        yield f"threshold {about.threshold:.4g}: {self.threshold_words}"
        if taught.extrapolated:
            yield self.extrapolated_words
        if self.drawn:
            kinds = ", ".join(f"{kind.words} {len(kind.found)} of {kind.drawn}" for kind in self.kinds)
            yield f"drawn defects found: {self.found} of {self.drawn} ({kinds})"
        cost = f"{taught.ms:.1f} ms a picture on one core, {self.memory_mib:.0f} MiB a process"
        yield f"{cost}; {self.file}: {self.file_size}"

    @property
    def extrapolated_words(self) -> str:
        """Say what to think of a threshold that lies where hardly any picture was."""
        about = self.taught.about
        needed = -(-10 // about.false_alarms)
        return (
            "fewer than ten of these pictures lie above such a threshold, so it follows from how the highest scores "
            f"fall off; {needed:.0f} good pictures would show it"
        )
