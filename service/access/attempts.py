"""Wrong keys: ten a minute from an address are answered one by one, further ones are turned away.

What that is for: a key that a person chose cannot be found by trying, the log stays readable, and an operator sees that
somebody tries. What it must not do: lock out a gateway whose cameras share an address, because one of them has a wrong
key. So a right key passes all the same if it is random (nobody finds 32 random bytes by trying), or if it has been
right from this address before.

The table lives in memory that all fronts share (heirloom.py), of a fixed size, and needs no lock: a lost word costs a
count. An address has one row, found by a keyed hash; one that comes to a taken row takes it over. Words, unsigned
64-bit::

    word  0  tag       the rest of the keyed hash of the address
          1  failures  so far, since the row was taken
          2  proven    1 once a right key came from the address
          3 .. 12      when the last ten failures were, CLOCK_MONOTONIC in ns; 0 where there was none
"""

from __future__ import annotations

import enum
import hashlib
import ipaddress
import logging
import time

_log = logging.getLogger(__name__)

A_MINUTE = 10
_MINUTE_NS = 60 * 10**9
_ROWS = 4096
_WORDS = 16
TABLE_BYTES = _ROWS * _WORDS * 8
_TAG, _FAILURES, _PROVEN, _TIMES = 0, 1, 2, 3
_V6_NETWORK_BITS = 64  # who has one address of an IPv6 network has all of them


class Kind(enum.Enum):
    """Which secret is tried; each is counted by itself."""

    API_KEY = b"api"
    STOP_KEY = b"stop"


class Attempts:
    """Counts failures by address in `words`, a table that all fronts share; `seed` says where an address is in it."""

    def __init__(self, words: memoryview, seed: bytes) -> None:
        self._seed = seed
        self._words = words

    def fail(self, address: str, kind: Kind = Kind.API_KEY) -> int:
        """Count a failure; returns 0, or for how many seconds there were too many, in which case it is not counted."""
        row = self._row(address, kind)
        wait_s = _wait_s(row)
        if not wait_s:
            row[_TIMES + row[_FAILURES] % A_MINUTE] = time.monotonic_ns()
            row[_FAILURES] += 1
            if row[_FAILURES] % A_MINUTE == 0 and _wait_s(row):
                _log.warning("%d wrong keys within a minute from %s; more are answered with 429", A_MINUTE, address)
        return wait_s

    def wait_s(self, address: str, kind: Kind = Kind.API_KEY) -> int:
        """Return for how many seconds there were too many failures: 0 while one more would be answered."""
        return _wait_s(self._row(address, kind))

    def admit(self, address: str) -> int:
        """Note that a key that could be guessed was right; returns 0, or for how many seconds it may have been luck."""
        row = self._row(address, Kind.API_KEY)
        if row[_PROVEN]:
            return 0
        wait_s = _wait_s(row)
        row[_PROVEN] = 0 if wait_s else 1
        return wait_s

    def _row(self, address: str, kind: Kind) -> memoryview:
        place = hashlib.blake2b(_network(address).encode(), digest_size=16, key=self._seed, person=kind.value).digest()
        start = int.from_bytes(place[:8], "little") % _ROWS * _WORDS
        row = self._words[start : start + _WORDS]
        tag = int.from_bytes(place[8:], "little")
        if row[_TAG] != tag:
            for word in range(_WORDS):
                row[word] = 0
            row[_TAG] = tag
        return row


def _wait_s(row: memoryview) -> int:
    oldest = row[_TIMES + row[_FAILURES] % A_MINUTE]
    left_ns = oldest + _MINUTE_NS - time.monotonic_ns() if oldest else 0
    return -(-left_ns // 10**9) if left_ns > 0 else 0


def _network(address: str) -> str:
    if ":" not in address:
        return address
    parsed = ipaddress.IPv6Address(address.partition("%")[0])
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((parsed, _V6_NETWORK_BITS), strict=False))
