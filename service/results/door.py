"""Where followers come in: a socket in the state folder, for the server's own user; the supervisor's end of it.

::

    follower                          supervisor
      |--- {"name": ...} --------------->|   who comes in
      |<-- {"seat": ..., } + page, ------|   its seat, and what it reads, for reading alone: a program of ours
      |     eventfd, rings, frames       |   also the frames; or {"error": ...}, and the end
      |            ...                   |
      |--- (the end) ------------------->|   its seat is free again, whatever ended it
      |<-- (the end) --------------------|   the server has ended: nothing will be written any more

It is opened once the server answers frames, in place of that of the server before, whose followers stay with that one
until it has ended. A path of any length will do: it is named by way of its folder's descriptor.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import struct
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from service.results.ring import committed_of, reopened
from service.results.seats import MOST_NAME_BYTES, Desk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service.results.files import ResultsFiles
    from workers.memory.arena import ArenaFile

_log = logging.getLogger(__name__)

SOCKET_NAME = "results.sock"
VERSION = 1
MOST_HELLO_BYTES = 1024
_MOST_UNNAMED = 16  # who has not said its name: the one that came first goes
_CREDENTIALS = struct.Struct("3i")


class _Guest(NamedTuple):
    """Who is in: its process, and its seat once it has one.

    `theirs` is the other end, for a program of ours to inherit; from its first word on it has it.
    """

    link: socket.socket
    pid: int
    theirs: socket.socket | None = None
    seat: int | None = None


class Door:
    """Used by the supervisor's loop alone. `selector` is that loop's: what it has registered is called."""

    def __init__(self, files: ResultsFiles, folder: Path) -> None:
        self._files = files
        self._folder = folder
        self._desk = Desk(files.seats)
        self._selector: selectors.BaseSelector | None = None
        self._guests: dict[int, _Guest] = {}
        self._programs: dict[str, int] = {}
        self._listener: socket.socket | None = None
        self._inode = 0
        self._arena: ArenaFile | None = None
        self._frames_fd = -1

    @property
    def frames_fd(self) -> int:
        """The frame memory, to be read, once it is known."""
        return self._frames_fd

    def attend(self, selector: selectors.BaseSelector, arena: ArenaFile) -> None:
        """Hear of followers by this loop from now on; `arena` is where the frames lie."""
        self._selector = selector
        self._arena = arena
        self._frames_fd = reopened(arena.fd)

    def open(self) -> None:
        """Let followers in; where the folder cannot be written to there are none, and the log says so."""
        assert self._selector is not None
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            with short_path(self._folder) as here:
                fresh = here / f"{SOCKET_NAME}.{os.getpid()}"
                fresh.unlink(missing_ok=True)
                mask = os.umask(0o177)
                try:
                    listener.bind(str(fresh))
                finally:
                    os.umask(mask)
                listener.listen()
                self._inode = fresh.stat().st_ino
                fresh.replace(here / SOCKET_NAME)
        except OSError as error:
            _log.warning("nobody can follow results: %s in %s cannot be made: %s", SOCKET_NAME, self._folder, error)
            listener.close()
            return
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ, self._let_in)

    def close(self) -> None:
        """Let nobody in any more; take the socket away where it is still ours."""
        if self._listener is None:
            return
        with suppress(OSError), short_path(self._folder) as here:
            if (here / SOCKET_NAME).stat().st_ino == self._inode:
                (here / SOCKET_NAME).unlink()
        self._listener.close()
        self._listener = None

    def for_program(self, program: str) -> int:
        """Return the descriptor of a follower's end of a connection, for a program of ours to inherit.

        It is closed here once the program has come in, or is started again without ever having done so.
        """
        before = self._guests.get(self._programs.get(program, -1))
        if before is not None and before.theirs is not None and before.seat is None:
            self._see_off(before)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._programs[program] = ours.fileno()
        self._meet(ours, theirs)
        return theirs.fileno()

    def _let_in(self) -> None:
        assert self._listener is not None
        with suppress(OSError):
            self._meet(self._listener.accept()[0])

    def _meet(self, link: socket.socket, theirs: socket.socket | None = None) -> None:
        assert self._selector is not None
        link.setblocking(False)
        pid, uid, _ = _CREDENTIALS.unpack(link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        if uid not in {0, os.geteuid()}:
            _refuse(link, "results are for the server's own user")
            link.close()
            return
        unnamed = [guest for guest in self._guests.values() if guest.seat is None and guest.theirs is None]
        if len(unnamed) >= _MOST_UNNAMED:
            self._see_off(unnamed[0])
        fd = link.fileno()
        self._guests[fd] = _Guest(link, pid, theirs)
        self._selector.register(link, selectors.EVENT_READ, lambda: self._hear(fd))

    def _hear(self, fd: int) -> None:
        guest = self._guests[fd]
        try:
            said = guest.link.recv(MOST_HELLO_BYTES)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if said and guest.seat is None and self._seat(guest, said):
            return
        self._see_off(guest)

    def _seat(self, guest: _Guest, said: bytes) -> bool:
        """Give a seat to who says its name; whether it stays."""
        name = _name_in(said)
        if name is None:
            _refuse(guest.link, "this server speaks another version of results")
            return False
        # before it has its seat: it begins with what comes once anybody can see that it is there
        committed = [committed_of(ring.fd) for ring in self._files.rings]
        pid = guest.pid or os.getpid()
        seat = self._desk.take(name, pid)
        if seat is None:
            _refuse(guest.link, "as many follow the results of this server as can")
            return False
        self._guests[guest.link.fileno()] = guest._replace(seat=seat)
        if guest.theirs is not None:
            guest.theirs.close()
        files = self._files
        fds = [files.seats.pages[seat], files.seats.wakes[seat], *(ring.read_fd for ring in files.rings)]
        told: dict[str, Any] = {"version": VERSION, "seat": seat, "committed": committed}
        if guest.theirs is not None and self._arena is not None:
            told["frames"] = asdict(self._arena.geometry)
            fds.append(self._frames_fd)
        try:
            socket.send_fds(guest.link, [orjson.dumps(told)], fds)
        except OSError:
            return False
        return True

    def _see_off(self, guest: _Guest) -> None:
        assert self._selector is not None
        guest = self._guests.pop(guest.link.fileno())
        self._selector.unregister(guest.link)
        guest.link.close()
        if guest.theirs is not None:
            guest.theirs.close()
        if guest.seat is not None:
            self._desk.leave(guest.seat)


@contextmanager
def short_path(folder: Path) -> Iterator[Path]:
    """Return a short path of a folder: that of a socket may not have more than 107 bytes."""
    fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield Path(f"/proc/self/fd/{fd}")
    finally:
        os.close(fd)


def _name_in(said: bytes) -> str | None:
    try:
        hello = orjson.loads(said)
        version, name = hello["version"], hello["name"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    if version != VERSION or not isinstance(name, str) or not 0 < len(name.encode()) <= MOST_NAME_BYTES:
        return None
    return name


def _refuse(link: socket.socket, why: str) -> None:
    with suppress(OSError):
        link.send(orjson.dumps({"error": why}))
