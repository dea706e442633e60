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
from typing import NamedTuple

import orjson

from service.parts.messages import MOST_BYTES, Said
from service.parts.plans import PartPlan, Plans, plan_in

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


class FrontLink:
    """The desk's end of the link to a front."""

    def __init__(self, link: socket.socket, plans: Plans) -> None:
        self.link = link
        self._plans = plans

    def hear(self) -> Heard | bool | None:
        """Return the next message, True for one that nobody understands, None where there is none."""
        try:
            packed, asking = _receive(self.link, MOST_BYTES)
        except BlockingIOError:
            return None
        try:
            said = Said.unpack(packed)
        except ValueError as error:
            return _not_understood(error, asking)
        return Heard(said, self._plans.of(said.flow), self.link, said.request, asking)


class NextLink:
    """The desk's end of the link to the part desk of a server that is to follow."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link

    def hear(self) -> Heard | bool | None:
        """See FrontLink."""
        try:
            packed, asking = _receive(self.link, _MOST_PASSED_BYTES)
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


def _receive(link: socket.socket, most_bytes: int) -> tuple[bytes, tuple[socket.socket, ...]]:
    """Take one message out, with the sockets that came along; raises BlockingIOError where there is none."""
    flags = socket.MSG_DONTWAIT | socket.MSG_CMSG_CLOEXEC
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
