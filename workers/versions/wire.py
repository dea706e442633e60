"""What supervisor and template say to each other: both ends of their pair of SOCK_SEQPACKET sockets.

::

    supervisor                                      template
        |                                              | loads the project
        |<-- {"loaded": ns} ---------------------------|      or {"failed": text}, {"alone": why}: then it ends
        |                                              |
        |--- "FMT1" row u32, with four descriptors --->| forks a child that forks the worker, and ends
        |    report, lifeline, output, black box       |
        |<-- {"unborn": why} --------------------------|      where the machine has no process to give
        |                                           worker
        |<== report: {"pid": n}\n =====================|      once the supervisor is its parent
        |<== report: {"boot_ns": n}\n or {"error"} ====|

Row PROOF_ROW asks for a fork that is no worker: it tries the frames of a proof (workers/trying/proof.py), and its
second descriptor is the file in memory that says which, in place of a lifeline.

Closing the supervisor's end is the message to end. Neither waits for the other: the supervisor's end does not block,
and what it has not heard after a while it takes for lost.
"""

from __future__ import annotations

import array
import os
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson

_ORDER = struct.Struct("<4sI")
_MAGIC = b"FMT1"
PROOF_ROW = 0xFFFFFFFF
_FDS = 4
_MOST_BYTES = 64 * 1024
_TEXT_CHARACTERS = 12_000  # four bytes each at most, and escapes


def pair() -> tuple[socket.socket, socket.socket]:
    """Make both ends: the supervisor's, which does not block, and the template's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


def order(link: socket.socket, row: int, fds: Sequence[int]) -> bool:
    """Ask for a worker in this row, with these descriptors; False where the template does not listen."""
    try:
        socket.send_fds(link, [_ORDER.pack(_MAGIC, row)], fds)
    except (BlockingIOError, BrokenPipeError, ConnectionResetError):
        return False
    return True


def hear(link: socket.socket) -> dict[str, Any]:
    """What the template says; nothing where it has gone."""
    try:
        packed = link.recv(_MOST_BYTES)
    except (BlockingIOError, ConnectionResetError):
        return {}
    return dict(orjson.loads(packed)) if packed else {}


def tell(link: socket.socket, what: str, told: int | str) -> None:
    """Say something to the supervisor."""
    if isinstance(told, str):
        told = told[:_TEXT_CHARACTERS].encode("utf-8", "backslashreplace").decode()
    link.send(orjson.dumps({what: told}))


@dataclass(frozen=True, slots=True)
class Order:
    """A worker that is to be made; its descriptors are closed at the end of the `with` block."""

    row: int
    report_fd: int
    lifeline_fd: int
    output_fd: int
    box_fd: int

    @property
    def fds(self) -> tuple[int, ...]:
        """All of its descriptors."""
        return self.report_fd, self.lifeline_fd, self.output_fd, self.box_fd

    @classmethod
    def receive(cls, link: socket.socket) -> Order | None:
        """Wait for one; None when the supervisor has closed its end. Raises ValueError where it is none."""
        # socket.recv_fds passes no flags on: what it takes would be left to programs that user code starts
        packed, ancillary, _, _ = link.recvmsg(_ORDER.size + 1, socket.CMSG_SPACE(_FDS * 4), socket.MSG_CMSG_CLOEXEC)
        fds = array.array("i")
        for _, _, part in ancillary:
            fds.frombytes(part[: len(part) // 4 * 4])
        if not packed:
            return None
        if len(packed) != _ORDER.size or len(fds) != _FDS:
            msg = f"an order has {_ORDER.size} bytes and {_FDS} descriptors, got {len(packed)} and {len(fds)}"
            raise ValueError(msg)
        magic, row = _ORDER.unpack(packed)
        if magic != _MAGIC:
            msg = f"an order starts with {_MAGIC!r}, got {magic!r}"
            raise ValueError(msg)
        return cls(row, *fds)

    def __enter__(self) -> Self:
        """Nothing to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what the worker has copies of by now."""
        for fd in self.fds:
            os.close(fd)
