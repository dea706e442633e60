"""What a front tells the supervisor: both ends of their pair of SOCK_SEQPACKET sockets.

::

    front                        supervisor
      |--- READY ------------------>|   it can take requests
      |--- STOP ------------------->|   the whole server is asked to end
      |--- RELOAD, who ------------>|   the project is to be loaded anew
      |--- ACCEPT, who ------------>|   the same, whatever its proof says
      |--- ROLLBACK, who ---------->|   the version before is to run again
      |--- OVERRIDE, who ---------->|   what runs is to run on with other thresholds

One byte each, and the name of who asks. The last four bring a socket of their own, through which the Outcome is told
once it is known, as JSON; where the server ends before, that socket ends. With OVERRIDE the first thing in it comes
from the front: the version that is meant, in a line, and the thresholds (workers/flow/overrides.py). The supervisor
reads whenever it is not asleep, and its death is an error for who writes.
"""

from __future__ import annotations

import array
import enum
import os
import select
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Self

import orjson

_NAME_BYTES = 200
_OUTCOME_BYTES = 32 * 1024
_WANTED_BYTES = 1 << 16


class Message(enum.Enum):
    """What may be said."""

    READY = b"r"
    STOP = b"s"
    RELOAD = b"l"
    ACCEPT = b"a"
    ROLLBACK = b"b"
    OVERRIDE = b"o"


class Outcome(NamedTuple):
    """What became of a change: which version runs, which one ran before, and in words why, where it was refused."""

    done: bool
    version: str
    before: str
    words: str

    def pack(self) -> bytes:
        """Return its bytes; of a very long text the end is left out."""
        words = self.words.encode("utf-8", "backslashreplace")[: _OUTCOME_BYTES // 4].decode("utf-8", "ignore")
        return orjson.dumps([self.done, self.version, self.before, words])


@dataclass(frozen=True, slots=True)
class Asked:
    """That somebody asks for a change; `links` are where its outcome is to be told, `wanted` comes with an OVERRIDE."""

    who: str
    accepts: bool = False
    links: Sequence[socket.socket] = field(default=(), repr=False)
    wanted: bytes | None = None

    @property
    def seen(self) -> str:
        """The version whose thresholds are to be others."""
        return (self.wanted or b"").partition(b"\n")[0].decode("ascii", "replace")

    @property
    def overrides(self) -> bytes:
        """Those thresholds."""
        return (self.wanted or b"").partition(b"\n")[2]

    def tell(self, outcome: Outcome) -> None:
        """Tell who asked, as far as that one still listens."""
        for link in self.links:
            with suppress(OSError):
                link.send(outcome.pack())
        self.drop()

    def drop(self) -> None:
        """Tell nothing: the server ends."""
        for link in self.links:
            link.close()


class SupervisorLink:
    """The front's end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def say_ready(self) -> None:
        """This front can take requests."""
        os.write(self._fd, Message.READY.value)

    def ask_to_stop(self) -> None:
        """End the whole server."""
        os.write(self._fd, Message.STOP.value)

    def ask(self, change: Message, who: str, wanted: bytes = b"") -> Waiting:
        """Ask for a change; what is returned is told of its outcome. `wanted` goes with an OVERRIDE.

        Raises OSError where that is too long.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        if change is Message.OVERRIDE:
            ours.send(wanted)
        name = who.encode("utf-8", "backslashreplace")[:_NAME_BYTES]
        with theirs, socket.fromfd(self._fd, socket.AF_UNIX, socket.SOCK_SEQPACKET) as link:
            socket.send_fds(link, [change.value + name], [theirs.fileno()])
        return Waiting(ours)


class Waiting:
    """For the outcome of a change; use it in a `with`."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Hear no more."""
        self._link.close()

    def outcome(self, wait_s: float) -> Outcome | None:
        """Wait for it, so long at most; None where it is not known by then.

        Raises ConnectionError where the server ends before it is known.
        """
        waiter = select.poll()
        waiter.register(self._link, select.POLLIN)
        if not waiter.poll(wait_s * 1000):
            return None
        told = os.read(self._link.fileno(), _OUTCOME_BYTES)
        if not told:
            raise ConnectionResetError("the server ends")
        return Outcome(*orjson.loads(told))


def pair() -> tuple[socket.socket, socket.socket]:
    """Make both ends: the supervisor's, and the one that fronts inherit."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)


def hear(ours: socket.socket) -> tuple[Message | None, Asked]:
    """What a front says, and who asks it to; None for what is no message of ours."""
    # socket.recv_fds passes no flags on: what it takes would be left to programs that are started
    packed, ancillary, _, _ = ours.recvmsg(_NAME_BYTES + 1, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for _, _, part in ancillary:
        fds.frombytes(part[: len(part) // 4 * 4])
    links = [*map(_link, fds)]
    wanted = _wanted(links) if packed[:1] == Message.OVERRIDE.value else None
    asked = Asked(packed[1:].decode("utf-8", "replace"), packed[:1] == Message.ACCEPT.value, links, wanted)
    try:
        return Message(packed[:1]), asked
    except ValueError:
        asked.drop()
        return None, asked


def _wanted(links: Sequence[socket.socket]) -> bytes:
    try:
        return links[0].recv(_WANTED_BYTES) if links else b""
    except OSError:
        return b""


def _link(fd: int) -> socket.socket:
    link = socket.socket(fileno=fd)
    link.setblocking(False)
    return link
