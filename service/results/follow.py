"""Following results: a follower's end, over all fronts of a server.

A front that dies, is replaced, or gets a new master goes on in the same ring, so nothing changes for who reads it.
Where a server is followed by another one, it is read until it has ended (`is_over`); then one connects anew.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from operator import attrgetter
from pathlib import Path
from typing import Any, Self

import orjson

from service.results.door import SOCKET_NAME, VERSION, short_path
from service.results.pictures import Sent, pictures_of
from service.results.reading import RingReader
from service.results.record import BadRecord, OtherKind, Record
from service.results.seats import PageWord, map_page
from workers.memory.layout import MAX_SLOTS

_PATIENCE_S = 10.0  # for a supervisor that is busy
_RETRY_S = 0.01
_SLEEP_S = 0.5  # a wake-up may be lost
_ANSWER_BYTES = 4096
_MOST_FDS = 64
_AT_ONCE = 256


class CannotFollow(Exception):
    """There is no server there, it is not ours, or it has no room."""


class Start(Enum):
    """Where a follower begins."""

    NOW = "now"  # with what comes
    OLDEST = "oldest"  # with the oldest record that is there
    RESUME = "resume"  # behind what one of the same name was done with, else as OLDEST


class Follower:
    """Reads the results of one server; for one thread at a time. Use it in a `with`.

    `missed` are records that were gone before they were read, since the seat had this name.
    """

    def __init__(self, link: socket.socket, name: str, start: Start) -> None:
        """Come in by `link`, a connection to a server's door; raises CannotFollow."""
        self._link = link
        told, (page_fd, self._wake_fd, *others) = _come_in(link, name)
        frames = told.get("frames")
        try:
            self._page = map_page(page_fd)
            self._bit = 1 << int(told["seat"])
            rings = others[:-1] if frames else others
            committed = map(int, told["committed"])
            self._readers = [RingReader(fd, cursor) for fd, cursor in zip(rings, committed, strict=True)]
            self._pictures = pictures_of(others[-1], frames) if frames else None
        except (OSError, ValueError, TypeError, KeyError) as error:
            self.close()
            raise CannotFollow(str(error)) from None
        finally:
            for fd in (page_fd, *others):
                os.close(fd)
        self._missed_before = self._page[PageWord.MISSED]
        for place, reader in enumerate(self._readers):
            if start is Start.RESUME and self._page[PageWord.KNOWN]:
                reader.cursor = min(self._page[PageWord.CURSORS + place], reader.committed)
            elif start is not Start.NOW:
                reader.begin_with_oldest()
        self.done()
        self._bell = _Bell(link, self._wake_fd)
        self._damaged = 0

    @classmethod
    def of(cls, state_dir: Path, name: str, start: Start = Start.NOW) -> Self:
        """Follow the server whose state is in this folder; raises CannotFollow."""
        return cls(_link_to(state_dir), name, start)

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave."""
        self.close()

    def close(self) -> None:
        """Give the seat back."""
        self._link.close()
        os.close(self._wake_fd)

    @property
    def is_over(self) -> bool:
        """Whether the server has ended."""
        return self._bell.is_over

    @property
    def missed(self) -> int:
        """How many records were gone before they were read, or were none of ours."""
        return self._missed_before + self._damaged + sum(reader.missed for reader in self._readers)

    @property
    def behind(self) -> int:
        """How many records wait to be read."""
        return sum(reader.behind for reader in self._readers)

    def read(self, most: int = _AT_ONCE) -> list[Record]:
        """Return what is there, `most` at most, in the order in which requests came as far as that is known."""
        found: list[Record] = []
        each = -(-most // len(self._readers))
        for reader in self._readers:
            for _ in range(each):
                if (raw := reader.next()) is None:
                    break
                try:
                    found.append(Record.unpack(raw.packed, reader.front, raw.sequence))
                except OtherKind:
                    continue
                except BadRecord:
                    self._damaged += 1
        self._page[PageWord.MISSED] = self.missed & (1 << 64) - 1
        return sorted(found, key=attrgetter("head.came_ns"))

    def done(self, cursors: Mapping[int, int] | None = None) -> None:
        """Say that all that was read is dealt with: who resumes begins behind it.

        With `cursors`: of each front all up to this sequence only.
        """
        for place, reader in enumerate(self._readers):
            self._page[PageWord.CURSORS + place] = (cursors or {}).get(reader.front, reader.cursor)
        self._page[PageWord.KNOWN] = 1

    @property
    def cursors(self) -> dict[int, int]:
        """The sequence of the last record that was read, by front."""
        return {reader.front: reader.cursor for reader in self._readers}

    def wants(self, record: Record) -> bool:
        """Whether this is a frame whose picture was to stay for this follower, and did or could not."""
        return bool(record.head.wanted & self._bit)

    @property
    def done_with(self) -> dict[int, int]:
        """The sequence of the last record that is dealt with, by fronts."""
        return {reader.front: self._page[PageWord.CURSORS + place] for place, reader in enumerate(self._readers)}

    def want_pictures(self, wants: int, every: int = 1) -> None:
        """Have pictures stay from now on: a sum of Wants; of EVERY one of `every` frames. For programs of ours."""
        self._page[PageWord.EVERY] = every
        self._page[PageWord.WANTS] = wants if self._pictures else 0

    def picture(self, record: Record) -> Sent | None:
        """Return a copy of a frame as its client sent it, and give its slot back; None where it did not stay."""
        picture = record.head.picture
        if picture is None or self._pictures is None:
            return None
        sent = self._pictures.copy(picture)
        self.let_go(record)
        return sent

    def let_go(self, record: Record) -> None:
        """Say that a frame need not stay for this follower."""
        if (picture := record.head.picture) is not None and picture.slot < MAX_SLOTS:
            self._page[PageWord.DONE + picture.slot] = picture.generation

    def wait(self, timeout_s: float) -> bool:
        """Sleep until there is something to read, the server has ended, or the time is over; whether there is."""
        self._page[PageWord.ASLEEP] = 1
        try:
            # a front that did not see that we sleep wrote before we look here
            if not self.behind and not self.is_over:
                self._bell.wait(min(timeout_s, _SLEEP_S))
        finally:
            self._page[PageWord.ASLEEP] = 0
        return bool(self.behind)

    def rouse(self) -> None:
        """End its sleep, also from a signal's handler."""
        self._bell.ring()


class _Bell:
    """What wakes a follower: the server by `wake_fd`, and the end of the server, which `link` tells."""

    def __init__(self, link: socket.socket, wake_fd: int) -> None:
        self._link = link
        self._wake_fd = wake_fd
        self._poll = select.poll()
        self._poll.register(wake_fd, select.POLLIN)
        self._poll.register(link, select.POLLIN)
        self.is_over = False

    def wait(self, timeout_s: float) -> None:
        """Sleep until it rings, or the time is over."""
        for fd, _ in self._poll.poll(1000 * timeout_s):
            self._woken(fd)

    def ring(self) -> None:
        """Wake who sleeps; for a signal's handler, too."""
        with suppress(BlockingIOError):
            os.eventfd_write(self._wake_fd, 1)

    def _woken(self, fd: int) -> None:
        if fd == self._wake_fd:
            with suppress(BlockingIOError):
                os.eventfd_read(fd)
            return
        with suppress(OSError):
            if self._link.recv(1, socket.MSG_DONTWAIT):
                return
        self.is_over = True
        self._poll.unregister(self._link)


def _link_to(state_dir: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    link.settimeout(_PATIENCE_S)
    try:
        with short_path(state_dir) as here:
            _connect(link, str(here / SOCKET_NAME))
    except OSError as error:
        link.close()
        raise CannotFollow(f"no server answers in {state_dir}: {error.strerror}") from None
    return link


def _connect(link: socket.socket, address: str) -> None:
    """Wait for a server that many knock at: a socket with a time limit is told at once that the queue is full."""
    give_up_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            link.connect(address)
        except BlockingIOError:
            if time.monotonic() >= give_up_s:
                raise
            time.sleep(_RETRY_S)
        else:
            return


def _come_in(link: socket.socket, name: str) -> tuple[dict[str, Any], list[int]]:
    try:
        link.settimeout(_PATIENCE_S)
        link.send(orjson.dumps({"version": VERSION, "name": name}))
        told, fds, _, _ = socket.recv_fds(link, _ANSWER_BYTES, _MOST_FDS)
    except OSError as error:
        link.close()
        raise CannotFollow(f"the server does not let followers in: {error}") from None
    for fd in fds:
        os.set_inheritable(fd, False)
    try:
        answer = orjson.loads(told)
        why = answer.get("error")
    except (orjson.JSONDecodeError, AttributeError):
        why = "what answers is no server of this version"
    if why is None and len(fds) < 3:
        why = "the server handed nothing over"
    if why is not None:
        for fd in fds:
            os.close(fd)
        link.close()
        raise CannotFollow(str(why))
    return answer, fds
