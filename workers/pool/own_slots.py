"""A front's own slots: which are free, which one keeps the last frame, and which a worker is still in (limbo).

::

    unused --fill--> a client's --free-------------------------------> unused
                         |------keep: until another frame is kept----> unused
                         '------a worker is in it---> limbo: until it is done---> unused

A frame that stays for who follows results is left in its slot, and a spare one takes its place (staying.py). Where
a worker draws a frame again that is not kept any more, its slot is in limbo until that is done.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workers.memory.claim import withdraw
from workers.memory.control import FrontRow
from workers.memory.slot import State, Word
from workers.pool.staying import Staying

if TYPE_CHECKING:
    from workers.memory.control import ControlPage
    from workers.memory.slot import Header
    from workers.pool.staying import HasDone

_LAST = struct.Struct("3Q")  # what /last_image shows, written at once


class OwnSlots:
    """The slots `own`, taken over from the front before, which has ended; used under their pool's lock.

    `fd` is the frame memory's, `headers` are those of all slots, and `row` is the front's; `spare` of its slots take
    the places of those that stay, and `has_done` says when these need not any more.
    """

    def __init__(  # noqa: PLR0917 - the frame memory, and what of it is whose
        self,
        fd: int,
        headers: Sequence[Header],
        control: ControlPage,
        row: memoryview,
        own: range,
        has_done: HasDone,
        spare: int,
    ) -> None:
        self.unused: list[int] = []  # the one given back last is taken first
        self._fd = fd
        self._headers = headers
        self._control = control
        self._row = row
        self._last = row[FrontRow.LAST_SLOT : FrontRow.LAST_DONE_NS + 1].cast("B")
        # counted here: a worker that writes at random may change what stands in a header
        self._generations = [min(header.words[Word.GENERATION], 1 << 63) for header in headers]
        self._limbo: set[int] = set()
        self._kept: int | None = None
        self._staying = Staying(headers, spare, has_done, self.unused)
        for slot in own:
            headers[slot].mark()
            self._staying.take_over(headers[slot])
            self._take_over(headers[slot])
        self._staying.set_aside()

    def _take_over(self, header: Header) -> None:
        """Decide what the front before left in a slot: nobody but its owner or a worker can be writing there."""
        if header.state is State.FILLING:
            header.move(State.FREE)
        if not self.has_come_back(header) or header.state is State.KEPT:
            return
        if header.state is State.DONE:
            self._take_over_answered(header)
            return
        self.unused.append(header.index)

    def _take_over_answered(self, header: Header) -> None:
        """The last frame stays the last frame; one that a worker draws again stays until that is done."""
        last = (self._row[FrontRow.LAST_SLOT], self._row[FrontRow.LAST_GENERATION])
        if self._row[FrontRow.LAST_DONE_NS] and last == (header.index, header.words[Word.GENERATION]):
            self._kept = header.index
        else:
            self._let_go(header)

    @property
    def has_limbo(self) -> bool:
        """Whether a worker is still in one of them whose client has gone, or some stay for followers."""
        return bool(self._limbo or self._staying.slots)

    def fill(self, index: int) -> Header:
        """Begin another frame in a slot that was unused; returns its header."""
        header = self._headers[index]
        header.move(State.FILLING)
        self._generations[index] += 1
        header.words[Word.GENERATION] = self._generations[index]
        header.words[Word.CANCELLED] = 0
        header.words[Word.KEPT_FOR] = 0
        return header

    def stay(self, header: Header, followers: int, *, is_urgent: bool) -> int:
        """Let the frame that is in it stay for these; returns which of all that sat there it is, 0 where it cannot."""
        generation = self._generations[header.index]
        return generation if self._staying.claim(header, generation, followers, is_urgent=is_urgent) else 0

    def place(self, header: Header) -> str:
        """Where the frame that is in it now was seen last; empty where nobody has said."""
        return header.place(self._generations[header.index])

    def has_come_back(self, header: Header) -> bool:
        """Whether no worker is in the slot of a client that has gone; else the slot is in limbo from now on."""
        if header.state in {State.QUEUED, State.RUNNING} and not withdraw(self._fd, header):
            self._limbo.add(header.index)
            return False
        return True

    def free(self, header: Header) -> None:
        """Let others use a slot that no worker is in."""
        if header.state is not State.FREE:  # a worker that writes at random may have said so
            header.move(State.FREE)
        self.unused.append(header.index)

    def keep(self, header: Header) -> None:
        """Keep this frame for /last_image and free the one kept so far, which is named for as long as it is there."""
        before, self._kept = self._kept, header.index
        # not pack_into, which writes zeros first
        self._last[:] = _LAST.pack(header.index, self._generations[header.index], header.words[Word.DONE_NS])
        if before is not None:
            self._let_go(self._headers[before])

    def leave_limbo(self) -> list[int]:
        """Free what workers have let go of since their clients went; returns which slots that are."""
        self._staying.end()
        ended = [index for index in self._limbo if self._headers[index].state is State.DONE]
        for index in ended:
            self._limbo.discard(index)
            self._let_go(self._headers[index])
        return ended

    def _let_go(self, header: Header) -> None:
        """Free a slot that is DONE, once no worker draws what is in it again."""
        if header.words[Word.WATCHED] and self._control.is_shown(header.index):
            self._limbo.add(header.index)
            return
        header.words[Word.WATCHED] = 0
        if not self._staying.leave(header):
            header.move(State.FREE)
            self.unused.append(header.index)
