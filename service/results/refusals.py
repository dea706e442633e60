"""Frames that were not begun, counted by client and status over a second: a flood of them pushes no part out."""

from __future__ import annotations

import orjson

_SECOND_NS = 1_000_000_000
_MOST_CLIENTS = 64  # of one second; all others are one
_ONE_BY_ONE = 200  # errors of frames that had no slot, in a second: beyond that they are counted, too


class Refusals:
    """A front's, used under its publisher's lock; seconds are CLOCK_REALTIME."""

    def __init__(self) -> None:
        self._second = 0
        self._counts: dict[tuple[str, int], int] = {}
        self._told = 0

    def is_over(self, now_ns: int) -> bool:
        """Whether there is something to tell of a second that has passed."""
        return bool(self._counts) and now_ns // _SECOND_NS != self._second

    def take(self) -> tuple[int, bytes]:
        """Return the second that was counted, in ns, and who was refused how often, as JSON; then count anew."""
        refused = [
            {"client": client, "status": status, "count": count} for (client, status), count in self._counts.items()
        ]
        self._counts = {}
        return self._second * _SECOND_NS, orjson.dumps({"refused": refused})

    def may_tell(self, now_ns: int) -> bool:
        """Whether one more error of a frame without a slot may have a record of its own."""
        self._begin(now_ns)
        self._told += 1
        return self._told <= _ONE_BY_ONE

    def count(self, client: str, status: int, now_ns: int) -> None:
        """Count one more; `is_over` was false before."""
        self._begin(now_ns)
        key = (client, status)
        if key not in self._counts and len(self._counts) >= _MOST_CLIENTS:
            key = ("", status)
        self._counts[key] = self._counts.get(key, 0) + 1

    def _begin(self, now_ns: int) -> None:
        second = now_ns // _SECOND_NS
        if second != self._second:
            self._second, self._told = second, 0
