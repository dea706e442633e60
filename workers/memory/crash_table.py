"""Which exceptions the log has had lately, for all workers at once: each kind once a minute, and how many came since.

A kind is a text: type, file, line and module. Workers look and count here before they write a traceback, under a record
lock on a byte behind the memory, which the kernel gives back when its holder dies. What was counted and never came
again is said by the supervisor. An entry, 256 bytes::

    hash u64 | logged_ns u64, CLOCK_MONOTONIC, 0 for none | since u64 | bytes u64 | the kind, UTF-8, cut at 224 bytes
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workers.memory.layout import CRASH_BYTES, CRASH_KINDS

if TYPE_CHECKING:
    from workers.memory.layout import Geometry

QUIET_NS = 60_000_000_000
_ENTRY = struct.Struct("=QQQQ224s")
_LOCK_AT = (1 << 40) + (1 << 20)  # behind those of the fronts (claim.py)


class CrashTable:
    """The table in `low`, a mapping that starts at offset 0 of the frame memory, whose descriptor is `fd`."""

    def __init__(self, low: memoryview, geometry: Geometry, fd: int) -> None:
        self._area = low[geometry.crashes_at : geometry.crashes_at + CRASH_KINDS * CRASH_BYTES]
        self._fd = fd

    def is_new(self, kind: str, now_ns: int) -> int | None:
        """Count one more of `kind`; returns how many came since the log had it, None while that is less than a minute.

        Where there are more kinds than places the one that was logged the longest ago is forgotten.
        """
        text = kind.encode("utf-8", "backslashreplace")
        key = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
        with self._locked(fcntl.LOCK_EX):
            oldest, oldest_ns = 0, now_ns
            for place in range(CRASH_KINDS):
                found, logged_ns, since, size, told = self._entry(place)
                if logged_ns and found == key:
                    due = not logged_ns <= now_ns < logged_ns + QUIET_NS
                    self._write(place, key, now_ns if due else logged_ns, 0 if due else since + 1, size, told)
                    return since if due else None
                if logged_ns < oldest_ns:
                    oldest, oldest_ns = place, logged_ns
            self._write(oldest, key, now_ns, 0, len(text[:224]), text[:224])
        return 0

    def left(self, now_ns: int) -> list[tuple[str, int]]:
        """The kinds that came again in the minute after the log had them and never since, with how often; only once."""
        found = []
        with contextlib.suppress(OSError), self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB):
            for place in range(CRASH_KINDS):
                key, logged_ns, since, size, told = self._entry(place)
                # a second more: who comes just now says it with its traceback
                if since and now_ns >= logged_ns + QUIET_NS + 1_000_000_000:
                    found.append((told[:size].decode("utf-8", "ignore"), since))
                    self._write(place, key, logged_ns, 0, size, told)
        return found

    def _entry(self, place: int) -> tuple[int, int, int, int, bytes]:
        key, logged_ns, since, size, told = _ENTRY.unpack_from(self._area, place * CRASH_BYTES)
        return key, logged_ns, since, size, told

    def _write(self, place: int, *entry: int | bytes) -> None:
        self._area[place * CRASH_BYTES : (place + 1) * CRASH_BYTES] = _ENTRY.pack(*entry)

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        try:
            fcntl.lockf(self._fd, how, 1, _LOCK_AT, os.SEEK_SET)
        except OSError:
            if how & fcntl.LOCK_NB:
                raise
            # user code has closed the memory: a line too many does no harm
            yield
            return
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, _LOCK_AT, os.SEEK_SET)
