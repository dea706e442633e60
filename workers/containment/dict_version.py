"""Whether a dict was changed, without reading what is in it.

CPython numbers the states of each dict (PEP 509, `ma_version_tag`, the word behind its length; 3.11 to 3.13). Comparing
the 158 names of `builtins` with what they were costs a microsecond where they are in the cache, and twenty behind a
frame that has just gone through it; this number is one word. Where an interpreter has none, every answer is "maybe".
"""

from __future__ import annotations

import ctypes
from typing import Any

_TAG_AT = 24  # reference count, type and length come before it, 8 bytes each; Include/cpython/dictobject.h


def _tag_of(watched: dict[Any, Any]) -> ctypes.c_uint64:
    return ctypes.c_uint64.from_address(id(watched) + _TAG_AT)


def _numbers_states() -> bool:
    probe = {"name": 0}
    tag = _tag_of(probe)
    first, again = tag.value, tag.value
    probe["name"] = 1
    changed = tag.value
    probe["other"] = 2
    grown = tag.value
    del probe["other"]
    return first == again and len({first, changed, grown, tag.value}) == 4


_NUMBERED = _numbers_states()


class Watch:
    """Watches one dict, and keeps it."""

    __slots__ = ("_seen", "_tag", "watched")

    def __init__(self, watched: dict[Any, Any]) -> None:
        self.watched = watched
        self._tag = _tag_of(watched) if _NUMBERED else None
        self._seen = self._tag.value if self._tag else 0

    def may_have_changed(self) -> bool:
        """Whether the dict may have been changed since it was last asked, or seen."""
        return self._tag is None or self._tag.value != self._seen

    def seen(self) -> None:
        """Take the present state for the one that is expected."""
        if self._tag is not None:
            self._seen = self._tag.value
