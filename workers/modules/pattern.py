"""Regular expressions of projects that cannot take for ever, however a text is made.

How many ways there are to match a text is estimated from the expression: repeats without an end within others are
refused, and so are too many of them in a row. Texts are bounded.
"""

from __future__ import annotations

import importlib
import math
import re
from typing import Any

LONGEST_PATTERN = 200
LONGEST_TEXT = 200
_MOST_WAYS = 100_000_000
_FEW = 10  # as if it were written so often
_MANY = 50  # a repeat with so many choices counts as one without an end


def checked_pattern(pattern: str) -> str:
    """Return `pattern`; raises ValueError where it is no regular expression, or one that may take for ever."""
    try:
        re.compile(pattern)
        tree = importlib.import_module("re._parser").parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        msg = f"is no regular expression: {error}"
        raise ValueError(msg) from None
    choices = _Choices()
    choices.add(tree)
    if choices.nested or choices.ways > _MOST_WAYS:
        reason = "a repeat within another" if choices.nested else "too many repeats"
        msg = f"has {reason}, which may take for ever on some texts; expected a simpler one, such as 'PN-[0-9]{{5}}-.+'"
        raise ValueError(msg)
    return pattern


def fits(pattern: re.Pattern[str], text: str) -> bool:
    """Tell whether all of `text` is as `pattern` says; longer ones than are looked at are not."""
    return len(text) <= LONGEST_TEXT and pattern.fullmatch(text) is not None


class _Choices:
    """Counts in how many ways an expression may go over a text: repeats without an end, times other choices."""

    def __init__(self) -> None:
        self._open = 0
        self._others = 1
        self.nested = False

    @property
    def ways(self) -> int:
        """At most so many ways there are."""
        return math.comb(LONGEST_TEXT + self._open, self._open) * self._others

    def add(self, tree: Any, *, repeated: bool = False) -> None:
        """Count what the parser made of an expression, a list of operators with their arguments."""
        for operator, argument in tree:
            name = str(operator)
            if name.endswith("REPEAT"):
                least, most, inner = argument
                choices = min(int(most) - int(least) + 1, LONGEST_TEXT + 1)
                self.nested |= repeated and choices > 1
                self._open += choices > _MANY
                self._others *= choices if choices <= _MANY else 1
                if choices == 1 and int(most) <= _FEW:
                    for _ in range(int(most)):
                        self.add(inner, repeated=repeated)
                else:
                    self.add(inner, repeated=repeated or int(most) > 1)
            elif name == "BRANCH":
                self.nested |= repeated and not _told_apart(argument[1])
                self._others *= len(argument[1])
                for branch in argument[1]:
                    self.add(branch, repeated=repeated)
            elif name in {"SUBPATTERN", "ASSERT", "ASSERT_NOT", "ATOMIC_GROUP"}:
                self.add(argument if name == "ATOMIC_GROUP" else argument[-1], repeated=repeated)
            elif name in {"GROUPREF", "GROUPREF_EXISTS"}:
                self.nested = True


def _told_apart(branches: Any) -> bool:
    """Tell whether each alternative begins with another letter, so that one at most goes on."""
    firsts = [branch[0] if len(branch) else (None, None) for branch in branches]
    return all(str(name) == "LITERAL" for name, _ in firsts) and len({letter for _, letter in firsts}) == len(firsts)
