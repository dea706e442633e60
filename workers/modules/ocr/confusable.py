"""Characters that look alike in print: where a text says which of them it must be, one counts as the other.

No group holds two digits, or a wrong number could pass.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Container, Iterable

ALIKE = (
    "0OoQD", "1Il|!i", "2Zz", "5Ss", "8B", "6Gb", "9gq",
    "UV", "Cc", "Kk", "Pp", "Uu", "Vv", "Ww", "Xx", "Yy",
    "-~_", ".,", ":;", "'`",
)  # fmt: skip

_MOST_CHANGED = 3
_MOST_TRIES = 3000


class Groups:
    """Groups of characters, each of which counts as any other of its group."""

    def __init__(self, groups: Iterable[str]) -> None:
        self._group: dict[str, str] = {}
        for group in groups:
            for letter in group:
                self._group[letter] = self._group.get(letter, letter) + group

    def any_of(self, letters: str) -> str:
        """Return a regular expression for one of `letters`, or of what looks like one."""
        every = dict.fromkeys("".join(letter + self._group.get(letter, "") for letter in letters))
        return "[" + "".join(re.escape(letter) for letter in every) + "]"

    def one_of(self, letter: str, wanted: Container[str]) -> str:
        """Return which of `wanted` looks like `letter`; itself if none does."""
        if letter in wanted:
            return letter
        return next((other for other in self._group.get(letter, "") if other in wanted), letter)

    def same(self, one: str, other: str) -> bool:
        """Tell whether both look alike, character by character."""
        return len(one) == len(other) and all(
            a == b or b in self._group.get(a, "") for a, b in zip(one, other, strict=True)
        )

    def put_right(self, text: str, fits: Callable[[str], bool]) -> str | None:
        """Return `text` with as few characters changed as can be, three at most, so that it fits; None if none does."""
        if fits(text):
            return text
        others = {
            place: sorted(set(self._group[letter]) - {letter})
            for place, letter in enumerate(text)
            if letter in self._group
        }
        tries = 0
        for count in range(1, _MOST_CHANGED + 1):
            for places in itertools.combinations(others, count):
                for letters in itertools.product(*(others[place] for place in places)):
                    tries += 1
                    if tries > _MOST_TRIES:
                        return None
                    changed = list(text)
                    for place, letter in zip(places, letters, strict=True):
                        changed[place] = letter
                    if fits("".join(changed)):
                        return "".join(changed)
        return None
