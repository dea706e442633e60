"""Seats of followers: who sits where, who sleeps, how far each has come.

A seat is a page that its follower writes and fronts read, and an eventfd that wakes it. Which seats are taken stands on
a page of its own, the desk, which the supervisor alone writes::

    desk   word 0  magic and version
                1  changes   counts comings and goings
         byte 128  a row of 128 bytes for each seat: pid u64, 0 while it is free | session u64, counts who had it |
                   bytes of the name u64 | the name, UTF-8, 64 bytes at most

    page   word 0  asleep    1 by the follower before it waits, 0 by the front that wakes it
                1  missed    records that were gone before it came to them; of all who had the seat under this name
                2  wants     which pictures are to stay for it, see Wants
                3  every     of how many frames one, where it wants that
                4  known     1 once the cursors below are of who has the seat under this name
                8  cursors   a word for each front: the sequence of the last record that it is done with
               32  done      a word for each slot: which frame's picture it has done with

A follower that lies harms itself: nobody else's words are within its reach. Waking is a hint, and may be lost between
two processors: nobody sleeps for longer than half a second.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from contextlib import suppress
from typing import NamedTuple

from service.results.ring import PAGE_BYTES, reopened

SEATS = 24  # recorder, outputs, a reader in each front for its pages, and who looks on
MOST_NAME_BYTES = 64
_MAGIC = int.from_bytes(b"FMDESK\x00\x01", "little")
_CHANGES = 1
_ROW_BYTES = 128
_ROW = struct.Struct("=QQQ64s")
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class PageWord:
    """Words of a seat's page."""

    ASLEEP = 0
    MISSED = 1
    WANTS = 2
    EVERY = 3
    KNOWN = 4
    CURSORS = 8
    DONE = 32


class Sitting(NamedTuple):
    """Who has a seat, or had it last; `pid` is 0 where nobody has it."""

    pid: int
    session: int
    name: str


class SeatFiles(NamedTuple):
    """Descriptors of all seats, by their numbers: pages, eventfds; and the desk's, to be written and to be read."""

    pages: tuple[int, ...]
    wakes: tuple[int, ...]
    desk: int
    read_desk: int


def create_seats() -> SeatFiles:
    """Make them, all free; raises OSError."""
    pages = tuple(_page(f"framemill-seat-{number}") for number in range(SEATS))
    wakes = tuple(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK) for _ in range(SEATS))
    desk = _page("framemill-desk")
    os.pwrite(desk, _MAGIC.to_bytes(8, "little"), 0)
    return SeatFiles(pages, wakes, desk, reopened(desk))


def _page(name: str) -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.posix_fallocate(fd, 0, PAGE_BYTES)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    return fd


def map_page(fd: int, *, writable: bool = True) -> memoryview:
    """Map a page, as words; raises ValueError where it may change its size, OSError."""
    if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS != _SEALS or os.fstat(fd).st_size != PAGE_BYTES:
        raise ValueError("what was handed over is no page of a seat")
    protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    mapped = mmap.mmap(fd, PAGE_BYTES, flags=mmap.MAP_SHARED, prot=protection)
    mapped.madvise(mmap.MADV_DONTFORK)
    return memoryview(mapped).cast("Q")


class Desk:
    """The supervisor's end: it gives seats away. It maps nothing, so its forks have none of it."""

    def __init__(self, files: SeatFiles) -> None:
        self._files = files
        self._changes = 0

    def take(self, name: str, pid: int) -> int | None:
        """Give a seat to a follower, the one that its name had last if that is free; None where none is."""
        rows = [sitting(self._files.desk, seat) for seat in range(SEATS)]
        free = [seat for seat, row in enumerate(rows) if not row.pid]
        if not free:
            return None
        seat = min(free, key=lambda one: (rows[one].name != name, rows[one].session, one))
        if rows[seat].name != name:
            os.pwrite(self._files.pages[seat], bytes(PAGE_BYTES), 0)
        else:
            os.pwrite(self._files.pages[seat], bytes(8), 8 * PageWord.ASLEEP)
        with suppress(BlockingIOError):
            os.eventfd_read(self._files.wakes[seat])
        self._write(seat, Sitting(pid, rows[seat].session + 1, name))
        return seat

    def leave(self, seat: int) -> None:
        """Take a seat back; its name and what it missed stay until another has it."""
        self._write(seat, sitting(self._files.desk, seat)._replace(pid=0))

    def _write(self, seat: int, row: Sitting) -> None:
        name = row.name.encode()[:MOST_NAME_BYTES]
        os.pwrite(self._files.desk, _ROW.pack(row.pid, row.session, len(name), name), (seat + 1) * _ROW_BYTES)
        self._changes += 1
        os.pwrite(self._files.desk, self._changes.to_bytes(8, "little"), 8 * _CHANGES)


def sitting(desk_fd: int, seat: int) -> Sitting:
    """Who has this seat."""
    pid, session, size, name = _ROW.unpack(os.pread(desk_fd, _ROW.size, (seat + 1) * _ROW_BYTES))
    return Sitting(pid, session, name[:size].decode("utf-8", "ignore"))


class Wants:
    """Which frames are to stay for a follower, so that it can have their pictures: bits."""

    NOK = 1
    OK = 2
    SAVE = 4  # where the flow says so: context["save"]
    EVERY = 8  # one of so many as the page says, whatever became of it


class Wanted(NamedTuple):
    """Who wants the picture of a frame, each a bit; `is_urgent` where it is one of those that shall not be missed."""

    by: int = 0
    is_urgent: bool = False


_NOBODY = Wanted()


class Sleepers:
    """A front's end: wakes who sleeps, knows who wants pictures. A look at one word while nobody has a seat."""

    def __init__(self, pages: tuple[int, ...], wakes: tuple[int, ...], read_desk: int) -> None:
        """Raises ValueError where the descriptors are none of this version."""
        self._desk_fd = read_desk
        self._desk = map_page(read_desk, writable=False)
        if self._desk[0] != _MAGIC:
            raise ValueError("the desk of followers is of another version of the server")
        self._all = [(map_page(page), wake) for page, wake in zip(pages, wakes, strict=True)]
        self._changes = 0
        self._taken: list[tuple[memoryview, int]] = []
        self._bits: list[tuple[int, memoryview]] = []
        self._frames = 0

    def wake(self) -> None:
        """Wake all who say that they sleep; each once."""
        if self._desk[_CHANGES] != self._changes:
            self._look()
        for words, wake_fd in self._taken:
            if words[PageWord.ASLEEP]:
                words[PageWord.ASLEEP] = 0
                with suppress(BlockingIOError):  # it was woken more often than can be counted
                    os.eventfd_write(wake_fd, 1)

    def who_wants(self, verdict: bool | None, context: memoryview) -> Wanted:
        """Return which followers want the picture of an inspected frame."""
        if self._desk[_CHANGES] != self._changes:
            self._look()
        if not self._bits or verdict is None:
            return _NOBODY
        self._frames += 1
        by, is_urgent = 0, False
        for bit, words in self._bits:
            wants = words[PageWord.WANTS]
            if not wants:
                continue
            if self._must_have(wants, verdict, context):
                by, is_urgent = by | bit, True
            elif self._would_have(words, wants, verdict):
                by |= bit
        return Wanted(by, is_urgent) if by else _NOBODY

    def has_done(self, slot: int, generation: int, followers: int) -> bool:
        """Whether all of these have done with the picture of this frame, or are gone; see workers/pool/staying.py."""
        if self._desk[_CHANGES] != self._changes:
            self._look()
        return all(words[PageWord.DONE + slot] == generation for bit, words in self._bits if followers & bit)

    @staticmethod
    def _must_have(wants: int, verdict: bool, context: memoryview) -> bool:
        if not verdict and wants & Wants.NOK:
            return True
        # within a text a quote is never alone, so this is a key; of what lies deeper one picture too many is kept
        return bool(wants & Wants.SAVE) and b'"save":true' in bytes(context)

    def _would_have(self, words: memoryview, wants: int, verdict: bool) -> bool:
        if verdict and wants & Wants.OK:
            return True
        return bool(wants & Wants.EVERY) and not self._frames % (words[PageWord.EVERY] or 1)

    def _look(self) -> None:
        self._changes = self._desk[_CHANGES]
        taken = [number for number in range(len(self._all)) if sitting(self._desk_fd, number).pid]
        self._taken = [self._all[number] for number in taken]
        self._bits = [(1 << number, self._all[number][0]) for number in taken]


class Follows(NamedTuple):
    """A follower as status shows it; `behind` are records that wait for it, `is_there` whether it has its seat."""

    name: str
    is_there: bool
    behind: int
    missed: int


def followers(pages: tuple[int, ...], read_desk: int, committed: list[int]) -> list[Follows]:
    """All that have a seat, or had it last, for who knows how many records each front's ring has."""
    found = []
    for number, page_fd in enumerate(pages):
        row = sitting(read_desk, number)
        if not row.session:
            continue
        words = struct.unpack("=32Q", os.pread(page_fd, 256, 0))
        cursors = words[PageWord.CURSORS : PageWord.CURSORS + len(committed)]
        behind = sum(max(0, newest - cursor) for newest, cursor in zip(committed, cursors, strict=False))
        found.append(Follows(row.name, bool(row.pid), behind if row.pid else 0, words[PageWord.MISSED]))
    return found
