"""How long flows lately take, from claim to answer: three words of the control page that every worker adds to.

`lately_ns` is a mean that follows the last handful of frames, up and down; `spread_ns` is how far from it they lie.
One frame that takes for ever makes the mean not even three times as long. What was measured long ago is not lately:
then nothing is known, and frames are let through until one has been measured. So a flow that became fast while all of
its frames were refused is found out.

Several workers may write at once. Then a frame is not counted, which does no harm.
"""

from __future__ import annotations

import struct

from workers.memory.control import Control

_SHIFT = 2  # each frame has a quarter of the say
_MOST_TIMES = 8  # what a frame counts at most, in means
_LEAST_NS = 1_000_000  # below this a factor is nothing
_STALE_NS = 2_000_000_000
_LONGEST_NS = 600_000_000_000  # of any run_ms


# read and written at once; native, so that each word is stored in one piece
_WORDS = struct.Struct("3Q")  # LATELY_NS, SPREAD_NS, MEASURED_NS


class Pace:
    """The words; `page` are those of the control page."""

    __slots__ = ("_bytes", "_words")

    def __init__(self, page: memoryview) -> None:
        self._words = page[Control.LATELY_NS : Control.MEASURED_NS + 1]
        self._bytes = self._words.cast("B")

    def add(self, took_ns: int, now_ns: int) -> None:
        """Count a frame whose flow came to its end after `took_ns`."""
        mean_ns, spread_ns = self.lately(now_ns - took_ns)  # as it was when this frame began: no silence is its own
        if mean_ns:
            most_ns = _MOST_TIMES * (mean_ns if mean_ns > _LEAST_NS else _LEAST_NS)
            off_ns = (took_ns if took_ns < most_ns else most_ns) - mean_ns
            mean_ns += off_ns >> _SHIFT
            spread_ns += (abs(off_ns) - spread_ns) >> _SHIFT
        else:
            mean_ns = took_ns
        self._bytes[:] = _WORDS.pack(mean_ns or 1, spread_ns, now_ns)  # not pack_into, which writes zeros first

    def lately(self, now_ns: int) -> tuple[int, int]:
        """Return the mean and the spread, in nanoseconds; (0, 0) where nothing was measured lately."""
        mean_ns, spread_ns, measured_ns = _WORDS.unpack_from(self._words)
        # what cannot be was written by a worker that writes at random
        if mean_ns > _LONGEST_NS or not -_STALE_NS < now_ns - measured_ns < _STALE_NS + 2 * mean_ns:
            return 0, 0
        return mean_ns, spread_ns if spread_ns < 2 * mean_ns else 2 * mean_ns

    def may_take_longer_than(self, ns: int) -> bool:
        """Whether it is worth the while to look: false where even what was measured long ago is no longer."""
        taken: bool = self._words[0] > ns
        return taken

    def forget(self) -> None:
        """Begin anew: another flow is at work."""
        self._bytes[:] = bytes(_WORDS.size)
