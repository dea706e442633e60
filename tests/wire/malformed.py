"""Requests that are malformed, odd, or valid in an unusual way, each with the statuses that must come back.

The files of malformed_http/ are tables of lines `name | request | statuses`. In a request `¶` ends a line (CR LF) and
`{raw}` is the target of a raw frame of four bytes, with a mark of its own. `{more}` is another such target, which must
be reached only where the statuses say so. `{x*5000}` is the letter x five thousand times, `{n}` the length of what
follows the head. Escapes are Python's. Statuses of `-`: the connection ends without an answer. `...` behind a request:
the client ends its side at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RAW = "/analyze_raw_image?width=4&height=1&data="


@dataclass(frozen=True, slots=True)
class Case:
    """A request as bytes, what must come back, and the marks of the frames it names."""

    name: str
    request: bytes
    statuses: tuple[int, ...]
    ends: bool

    @property
    def marks(self) -> tuple[str, str]:
        """The mark of the frame that is asked for, and of the one behind it."""
        return f"{self.name}.1", f"{self.name}.2"


_TABLES = Path(__file__).with_name("malformed_http")
_REPEATED = re.compile(r"\{([^{}]+)\*(\d+)\}")


def _case(line: str) -> Case:
    name, text, statuses = line.split(" | ")
    text = text.encode("latin-1").decode("unicode_escape").replace("¶", "\r\n")
    text = text.replace("{raw}", RAW + "{mark}").replace("{more}", RAW + f"{name}.2").replace("{mark}", f"{name}.1")
    text = _REPEATED.sub(lambda found: found[1] * int(found[2]), text)
    whole = text.removesuffix("...")
    expected = tuple(int(status) for status in statuses.replace("-", "").split())
    if "{n}" in whole:
        whole = whole.replace("{n}", str(len(whole.partition("\r\n\r\n")[2])))
    return Case(name, whole.encode("latin-1"), expected, text.endswith("...") or not expected)


def _cases() -> Iterator[Case]:
    for table in sorted(_TABLES.glob("*.txt")):
        for line in table.read_text().splitlines():
            yield _case(line)


CASES = list(_cases())
