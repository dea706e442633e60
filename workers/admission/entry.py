"""Which frames get in: one that cannot be done by its deadline does not, or another makes room for it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from workers.errors import NoFreeSlot, NotInTime
from workers.memory.claim import take_back
from workers.memory.slot import Header, Outcome, Word

if TYPE_CHECKING:
    from workers.admission.forecast import Forecast, Outlook
    from workers.admission.pace import Pace
    from workers.admission.turns import Waiting

_SECOND_NS = 1_000_000_000
_KNOWN_CLIENTS = 1024
CLIENT_BITS = 0xFFFF_FFFF_FFFF  # of the hash of a client's name: the same in all fronts of one master


class Entry:
    """A front's; all but `foresee` are guarded by the pool's lock. `wake` is the pool's.

    A frame of which `most` times what flows lately take are left is looked at no further: that many are never ahead.
    """

    def __init__(
        self,
        forecast: Forecast,
        pace: Pace,
        waiting: Waiting,
        most: int,
        *,
        fd: int,
        wake: Callable[[int], None] | None,
    ) -> None:
        self._forecast = forecast
        self._pace = pace
        self._most = 2 * most  # the half of it for the margin
        self._waiting = waiting
        self._fd = fd
        self._wake = wake
        self.is_tight = False  # from the first time on that it was not plain that a frame would be in time
        self._served_ns: dict[int, int] = {}  # by client, since then

    def foresee(self, deadline_ns: int, client: str) -> None:
        """Raise NotInTime where a frame of `client` would not be done by `deadline_ns`, as Pool.lease has them."""
        now_ns = time.monotonic_ns()
        if client and self._pace.may_take_longer_than((deadline_ns - now_ns) // self._most):
            self._room_for(hash(client) & CLIENT_BITS, deadline_ns - now_ns, now_ns)

    def admit(self, deadline_ns: int, client: str, now_ns: int) -> None:
        """See to it that a frame of `client` will be in time, if need be in place of another; raises NotInTime."""
        if not self._pace.may_take_longer_than((deadline_ns - now_ns) // self._most) or not client:
            return
        self.is_tight = True
        room = self._room_for(hash(client) & CLIENT_BITS, deadline_ns - now_ns, now_ns)
        if room is None:
            return
        if self._wake is None or not take_back(self._fd, room, room.words[Word.GENERATION], Outcome.PUSHED_OUT):
            msg = "the frame is not begun: those before it take all the time that is left"
            raise NotInTime(msg, self.retry_after_s())
        self._wake(room.index)

    def served(self, header: Header) -> None:
        """Hear that the frame in a slot has got its answer."""
        if len(self._served_ns) >= _KNOWN_CLIENTS:
            self._served_ns.clear()
        self._served_ns[header.words[Word.CLIENT]] = header.words[Word.DONE_NS]

    def none_free(self) -> NoFreeSlot:
        """Say that there is no slot."""
        return NoFreeSlot("the server has as many frames as it can hold; try again shortly", self.retry_after_s())

    def retry_after_s(self) -> int:
        """After how many seconds a frame is begun at once, if nothing else comes; at least one."""
        seen = self._forecast.look(time.monotonic_ns(), len(self._waiting))
        return 1 if seen is None else _seconds(seen.begun_in_ns(seen.ahead))

    def _room_for(self, client: int, left_ns: int, now_ns: int) -> Header | None:
        """Return the frame that has to make room; None where there is room. Raises NotInTime where none can."""
        seen = self._forecast.look(now_ns, len(self._waiting))
        if seen is None or seen.done_in_ns(seen.ahead) <= left_ns:
            return None
        fits = seen.ahead > 0 and seen.done_in_ns(seen.ahead - 1) <= left_ns
        room = seen.room_for(client, self._served_ns) if fits else None
        if room is None:
            raise _not_in_time(seen, left_ns)
        return room


def _not_in_time(seen: Outlook, left_ns: int) -> NotInTime:
    done_ns = seen.done_in_ns(seen.ahead)
    msg = (
        f"the frame is not begun: {seen.ahead} wait before it and the flow lately takes {_ms(seen.mean_ns)} ms, so it "
        f"would be done in {_ms(done_ns)} ms, and {_ms(left_ns)} ms are left"
    )
    return NotInTime(msg, _seconds(done_ns - left_ns))  # if nothing else comes, one that comes then is in time


def _seconds(ns: int) -> int:
    return max(1, math.ceil(ns / _SECOND_NS))


def _ms(ns: int) -> int:
    return round(ns / 1e6)
