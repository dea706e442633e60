"""What leaves on a client's connection: as much as its socket takes at once; the rest waits, and no thread with it.

Whoever writes to a client, be it gunicorn, writes to a socket of one of the classes below. They never block: what the
socket does not take is held for the client, in order, counted in the front's `Holdings`. The main thread sends it once
the socket takes more (outbox.py). Until then nothing further is read from that client.

Whose rest finds no room, or is let go for others, loses its connection: it would miss a part of its answer.
"""

from __future__ import annotations

import errno
import mmap
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from service.wire.holdings import HELD
from workers.errors import NoFreeSlot

if TYPE_CHECKING:
    from service.wire.holdings import Holding, Holdings

_AT_ONCE = socket.MSG_DONTWAIT
_MAPPED_BYTES = 64 << 10  # memory of a map goes back to the kernel at once, that of malloc when it likes
_TURN_BYTES = 256 << 10  # over TLS each byte is computed; others have their turn in between


_unsent: set[Unsent] = set()  # of all connections


def unread_bytes() -> int:
    """How many bytes this front holds for clients that do not take them; from any thread."""
    return sum(unsent.byte_count for unsent in list(_unsent))


class Unsent:
    """What a client has not taken yet, in order; `is_lost` where it cannot be sent any more."""

    __slots__ = ("_holding", "_pieces", "is_lost")

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self._holding: Holding | None = None
        self.is_lost = False
        _unsent.add(self)

    @property
    def byte_count(self) -> int:
        """How many bytes are left to send."""
        return sum(map(len, self._pieces))

    def reserve(self, holdings: Holdings, client: str, count: int) -> None:
        """Count bytes that are held from now on; raises NoFreeSlot where there is no room for them."""
        if self._holding is None:
            self._holding = holdings.hold(client, count, self.lose)
        else:
            self._holding.grow(count)

    def add(self, piece: memoryview) -> None:
        """Hold what was reserved."""
        if not self.is_lost:
            self._pieces.append(piece)

    def lose(self) -> None:
        """Forget all of it, from any thread: others need the room."""
        self.is_lost = True
        _unsent.discard(self)
        self._pieces = deque()
        self.release()

    def release(self) -> None:
        """Count nothing any more."""
        if self._holding is not None:
            self._holding.release()

    def send(self, connection: Outgoing) -> bool:
        """Send what `connection` takes at once; returns whether that was all."""
        pieces = self._pieces  # another one from the moment on in which they are lost
        while pieces and not self.is_lost:
            piece = pieces[0]
            taken = connection.take(piece[:_TURN_BYTES])
            if taken == len(piece):
                pieces.popleft()
            elif taken:
                pieces[0] = piece[taken:]
            if taken < len(piece):
                return False
        return not self.is_lost


class Outgoing(socket.socket):
    """A client's socket that never makes anybody wait who writes to it.

    All that is said to `sendall` or `send` arrives in this order, or the connection ends. `unsent` is what the client
    has not taken yet; None where it has taken all, as far as we can see.

    Raises:
        ConnectionResetError: there is no room for what the client does not take; the connection is lost.
        OSError: the client went away.
    """

    holdings: ClassVar[Holdings] = HELD
    unsent: Unsent | None = None
    waits: bool = False  # whether the thread that has it waits: for a frame, a slot, a worker, the next request

    @classmethod
    def leaves_much(cls, address: str) -> bool:
        """Whether a client has left so much with us that it should have little more."""
        return 2 * cls.holdings.of(address) > cls.holdings.share_bytes

    def take(self, data: memoryview | bytes) -> int:
        """Send as much as the socket takes at once; returns how much that is."""
        raise NotImplementedError

    def sendall(self, data: Any, _flags: int = 0, /) -> None:
        """Send what the socket takes, hold the rest."""
        self.waits = False
        if self.unsent is None:
            if not data:
                return
            taken = self.take(data)
            if taken == len(data):
                return
            self.hold(memoryview(data)[taken:])
        elif data:
            self.hold(memoryview(data))

    def send(self, data: Any, _flags: int = 0, /) -> int:
        """See sendall; returns the length of `data`."""
        self.sendall(data)
        return len(data)

    def hold(self, rest: memoryview) -> None:
        """Hold a copy of what the client has not taken, behind what is held already."""
        unsent = self.unsent = self.unsent or Unsent()
        if unsent.is_lost:
            raise _lost()
        try:
            client = str(self.getpeername()[0])
            unsent.reserve(self.holdings, client, len(rest))
        except NoFreeSlot:
            unsent.lose()
            raise _lost() from None
        unsent.add(_copy(rest))

    def close(self) -> None:
        """Close, and hold nothing any more."""
        self.forget()
        super().close()

    def forget(self) -> None:
        """Hold nothing any more."""
        if (unsent := self.unsent) is not None:
            self.unsent = None
            unsent.lose()


class PlainClient(Outgoing):
    """A client's socket without TLS."""

    @classmethod
    def of(cls, accepted: socket.socket) -> PlainClient:
        """Make one of a socket that was accepted, which is empty afterwards."""
        return cls(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())

    def take(self, data: memoryview | bytes) -> int:
        """See Outgoing."""
        if self.gettimeout():  # the flag below does not keep Python itself from waiting
            self.setblocking(True)
        try:
            return _send(self, data, _AT_ONCE)
        except BlockingIOError:
            return 0


class TlsClient(Outgoing, ssl.SSLSocket):
    """A client's socket with TLS: what an `SSLContext` makes whose `sslsocket_class` this is."""

    def take(self, data: memoryview | bytes) -> int:
        """See Outgoing. A record that the socket took in part goes first, out of the same bytes, the next time."""
        view = memoryview(data)
        before_s = self.gettimeout()
        self.settimeout(0)
        taken = 0
        try:
            while taken < len(view):
                taken += _send_over_tls(self, view[taken:])
        except ssl.SSLWantWriteError:
            pass
        finally:
            self.settimeout(before_s)
        return taken


def _lost() -> ConnectionResetError:
    return ConnectionResetError(errno.ECONNRESET, "the client does not take its answers, and there is no room for them")


_send = socket.socket.send
_send_over_tls = ssl.SSLSocket.send


def _copy(view: memoryview) -> memoryview:
    if len(view) < _MAPPED_BYTES:
        return memoryview(bytes(view))
    copy = memoryview(mmap.mmap(-1, len(view), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    copy[:] = view
    return copy.toreadonly()
