"""Heads that do not come at once: each waits in the front's main loop until it is whole, without a thread.

A head is searched as it comes, each byte once; what has come of it is counted for its client (holdings.py).
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from service.connections.guests import Guest
from service.wire.gathering import receive_into
from service.wire.holdings import HELD
from workers.errors import FramemillError, HeadTooLarge, HeadTooSlow, TargetTooLong

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.connections.lobby import Lobby

_LONGEST_HEAD_BYTES = 65_536
_LEAST_READ_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the lobby waits, in seconds."""

    idle_s: float
    head_s: float

    @property
    def first_s(self) -> float:
        """How long for the first byte of somebody new, who is to be answered also where nobody may stay idle."""
        return max(self.idle_s, self.head_s)


class SlowHeads:
    """Used by the main thread alone; `go_on` takes a connection whose head is whole to a thread."""

    def __init__(self, lobby: Lobby, patience: Patience, go_on: Callable[[Any], None]) -> None:
        self._lobby = lobby
        self._patience = patience
        self._go_on = go_on
        self._scratch = memoryview(bytearray(_LEAST_READ_BYTES))

    def await_head(self, conn: Any, *, is_new: bool = False) -> None:
        """Wait for a request; its first bytes may be there already."""
        patience_s = self._patience.first_s if is_new else self._patience.idle_s
        guest = Guest(conn, time.monotonic() + patience_s, self._more_head, None, idle=True)
        early = conn.parser.unreader.buf.getvalue()
        self._lobby.stay(guest)
        if early:
            self._look_at_head(guest, early)
        self._lobby.catch_up(guest)

    def _more_head(self, guest: Guest) -> None:
        received = receive_into(guest.conn.sock, self._scratch[:])
        if received == 0:
            self._lobby.dismiss(guest)
        elif received > 0:
            piece = bytes(self._scratch[:received])
            buffered = guest.conn.parser.unreader.buf
            buffered.seek(0, io.SEEK_END)
            buffered.write(piece)
            self._look_at_head(guest, piece)

    def _look_at_head(self, guest: Guest, piece: bytes) -> None:
        """Go on with a head that is whole; `piece` is what of it is new."""
        buffered = guest.conn.parser.unreader.buf
        if guest.idle:
            guest.idle = False
            guest.until_s = time.monotonic() + self._patience.head_s
            guest.too_late = _head_too_slow(self._patience.head_s)
        try:
            whole = guest.search.ends_in(piece)
            if not whole:
                self._hold_half(guest, buffered.tell())
        except FramemillError as error:
            self._lobby.refuse(guest, error)
            return
        if whole:
            self._lobby.release(guest)
            self._go_on(guest.conn)
        elif buffered.tell() > _LONGEST_HEAD_BYTES:
            self._lobby.refuse(guest, _too_long(buffered.getvalue()))

    def _hold_half(self, guest: Guest, count: int) -> None:
        if guest.half is None:
            guest.half = HELD.hold(guest.address, 0, partial(self._lobby.let_go, guest))
        guest.half.cover(count)


def _too_long(head: bytes) -> FramemillError:
    if b"\r\n" not in head:
        return TargetTooLong(f"the first line of the request has more than {_LONGEST_HEAD_BYTES} bytes")
    return HeadTooLarge(f"the request's head has more than {_LONGEST_HEAD_BYTES} bytes")


def _head_too_slow(limit_s: float) -> HeadTooSlow:
    return HeadTooSlow(f"the request's head did not come within {limit_s:g} s")
