"""Modules by name, for all processes, and how many frames ended with an error in each.

A module has a place of its own for as long as the server lives, by its id and name: after a reload the same id may be
another module, and what was counted stays with the one that it was counted for. The supervisor writes names, before any
worker of their version is made; a worker finds the places of its project's modules and tells them to fronts, and each
front counts in words of its own (under its own lock)::

    256 names:             id u32 | bytes u32 | name, UTF-8, cut at 120 bytes
    256 words each front:  frames with an error, by place

Place 0 is outside of all modules, place 1 all that find no place any more.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from workers.memory.control import Control
from workers.memory.layout import MODULE_PLACES, NAME_BYTES

if TYPE_CHECKING:
    from workers.memory.layout import Geometry

OUTSIDE = 0
OTHERS = 1
_FIRST = 2
_ENTRY = struct.Struct("=II120s")


class ModuleName(NamedTuple):
    """A module as its place knows it; `id` is 0 where it is none."""

    id: int
    name: str

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"module {self.id} ({self.name})" if self.id else self.name


_OUTSIDE = ModuleName(0, "outside of all modules")
_OTHERS = ModuleName(0, "other modules")


class ModuleTable:
    """The table in `low`, a mapping that starts at offset 0 of the frame memory; `words` are the control page's."""

    def __init__(self, low: memoryview, geometry: Geometry, words: memoryview) -> None:
        at = geometry.modules_at
        self._words = words
        self._names = low[at : at + MODULE_PLACES * NAME_BYTES]
        at += MODULE_PLACES * NAME_BYTES
        row_bytes = MODULE_PLACES * 8
        self.fronts = [low[at + i * row_bytes : at + (i + 1) * row_bytes].cast("Q") for i in range(geometry.fronts)]

    def enter(self, modules: Iterable[tuple[int, str]]) -> None:
        """Give a place to each of these that has none; for the supervisor alone."""
        known = self._known()
        for module_id, name in modules:
            packed = _packed(module_id, name)
            if packed in known or len(known) >= MODULE_PLACES - _FIRST:
                continue
            at = (_FIRST + len(known)) * NAME_BYTES
            self._names[at : at + NAME_BYTES] = packed
            known[packed] = _FIRST + len(known)
            self._words[Control.MODULES] = len(known)

    def places(self, modules: Iterable[tuple[int, str]]) -> dict[int, int]:
        """The place of each of a project's modules, by its id."""
        known = self._known()
        return {module_id: known.get(_packed(module_id, name), OTHERS) for module_id, name in modules}

    def name(self, place: int) -> ModuleName:
        """The module that has this place; a number that is none, as a worker may leave it, is one of the others."""
        if place == OUTSIDE:
            return _OUTSIDE
        if not _FIRST <= place < _FIRST + self._taken:
            return _OTHERS
        module_id, size, name = _ENTRY.unpack_from(self._names, place * NAME_BYTES)
        return ModuleName(module_id, name[:size].decode("utf-8", "ignore"))

    def errors(self) -> Iterator[tuple[ModuleName, int]]:
        """Yield each module, what is outside of all and the others too, with how many frames had an error in it."""
        for place in range(_FIRST + self._taken):
            yield self.name(place), sum(front[place] for front in self.fronts)

    @property
    def _taken(self) -> int:
        return min(self._words[Control.MODULES], MODULE_PLACES - _FIRST)

    def _known(self) -> dict[bytes, int]:
        return {
            bytes(self._names[place * NAME_BYTES : (place + 1) * NAME_BYTES]): place
            for place in range(_FIRST, _FIRST + self._taken)
        }


def _packed(module_id: int, name: str) -> bytes:
    text = name.encode("utf-8", "backslashreplace")[:120].decode("utf-8", "ignore").encode()
    return _ENTRY.pack(module_id, len(text), text)
