"""What the part desk hears: of fronts, and of the desk of a server that is to follow, which passes on what its own say.

Little endian, one message each (SOCK_SEQPACKET); what a front says is in messages.py. What is passed on::

     0      4     6            8         16
    +------+-----+------------+---------+----------------+--------------------------------------+
    |"FMPP"| u16 | u16: bytes | request | a front's message | JSON: the plan of its version, or null |
    +------+-----+------------+---------+----------------+--------------------------------------+

    version: 1.  request: what the answer begins with, for a front's own numbers are none of the next server's. A socket
    that somebody brings who asks for a part comes along.
"""

from __future__ import annotations

import array
import logging
import socket
import struct
from collections.abc import Iterator
from typing import NamedTuple

import orjson

from service.parts.messages import MOST_BYTES, Said
from service.parts.plans import PartPlan, Plans, plan_in
from service.parts.unsent import Unsent

_log = logging.getLogger(__name__)

_PASSED = struct.Struct("<4sHHQ")
_MAGIC = b"FMPP"
_VERSION = 1
_MOST_PASSED_BYTES = 16 << 10


class Heard(NamedTuple):
    """A message: what was said, what the version of its frame says about parts, and who is answered.

    An answer goes through `link`, and begins with `request`. `asking` are the sockets that came along, not yet closed.
    """

    said: Said
    plan: PartPlan | None
    link: socket.socket
    request: int
    asking: tuple[socket.socket, ...] = ()

    def drop(self) -> None:
        """Have nobody wait: who asks for a part sees that, and asks anew."""
        for one in self.asking:
            one.close()


class _Link:
    """The desk's end of a link."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link

    def take_out(self) -> None:
        """Have the message gone that `hear` has returned; what came along with it was given out there."""
        self.link.recv(1, socket.MSG_DONTWAIT)


class FrontLink(_Link):
    """To a front; behind `unsent_fd` is what it had no place for in its queue (see unsent.py)."""

    def __init__(self, link: socket.socket, unsent_fd: int, plans: Plans) -> None:
        super().__init__(link)
        self._unsent_fd = unsent_fd
        self._plans = plans

    def hear(self) -> Heard | bool | None:
        """Return the next message, which stays; True for one that nobody understands, None where there is none."""
        try:
            packed, asking = _look(self.link, MOST_BYTES)
        except BlockingIOError:
            return None
        return self._understood(packed, asking)

    def hear_unsent(self) -> Iterator[Heard]:
        """Yield what it has not got rid of, once no front is left that could; what was yielded then waits no more."""
        unsent = Unsent(self._unsent_fd)
        while unsent:
            if isinstance(heard := self._understood(unsent.first(), ()), Heard):
                yield heard
            unsent.drop_first()

    def _understood(self, packed: bytes, asking: tuple[socket.socket, ...]) -> Heard | bool:
        try:
            said = Said.unpack(packed)
        except ValueError as error:
            return _not_understood(error, asking)
        return Heard(said, self._plans.of(said.flow), self.link, said.request, asking)


class NextLink(_Link):
    """To the part desk of a server that is to follow."""

    def hear(self) -> Heard | bool | None:
        """See FrontLink."""
        try:
            packed, asking = _look(self.link, _MOST_PASSED_BYTES)
        except BlockingIOError:
            return None
        if not packed:  # let go of
            return None
        try:
            said, plan, request = _unpack(packed)
        except ValueError as error:
            return _not_understood(error, asking)
        return Heard(said, plan, self.link, request, asking)


def pass_on(link: socket.socket, heard: Heard, request: int) -> None:
    """Say to the desk of the server before what a front has said; raises OSError."""
    said = heard.said.pack()
    plan = orjson.dumps(heard.plan and [*heard.plan])
    packed = _PASSED.pack(_MAGIC, _VERSION, len(said), request) + said + plan
    fds = [one.fileno() for one in heard.asking]
    socket.send_fds(link, [packed], fds, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)


def _unpack(packed: bytes) -> tuple[Said, PartPlan | None, int]:
    try:
        magic, version, size, request = _PASSED.unpack_from(packed)
    except struct.error:
        raise ValueError(f"a message of {len(packed)} bytes") from None
    if (magic, version) != (_MAGIC, _VERSION):
        raise ValueError("what was passed on is of another version of the server")
    rest = packed[_PASSED.size :]
    return Said.unpack(rest[:size]), plan_in(orjson.loads(rest[size:])), request


def _look(link: socket.socket, most_bytes: int) -> tuple[bytes, tuple[socket.socket, ...]]:
    """Read a message that stays, and sockets like those that came along; raises BlockingIOError where there is none."""
    flags = socket.MSG_PEEK | socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
    packed, ancillary, _, _ = link.recvmsg(most_bytes, socket.CMSG_SPACE(4), flags)
    fds = array.array("i")
    for _, _, part in ancillary:
        fds.frombytes(part[: len(part) // 4 * 4])
    return packed, tuple(socket.socket(fileno=fd) for fd in fds)


def _not_understood(error: ValueError, asking: tuple[socket.socket, ...]) -> bool:
    _log.error("a front said what nobody understands: %s", error)
    for one in asking:
        one.close()
    return True
