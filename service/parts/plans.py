"""What each version of the project says about parts: written by the supervisor, read by fronts and the part desk.

A page in memory, which holds the newest few versions::

     0        8      12       16
    +--------+------+--------+----------------------------------------------------------+
    | magic  | crc  | bytes  | JSON: a list of [version, plan], plan null where it has none |
    +--------+------+--------+----------------------------------------------------------+

A version is entered before a frame can meet it. The supervisor alone writes; who reads while it does sees by the sum
that it must read once more.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from typing import Any, NamedTuple

import orjson

_HEAD = struct.Struct("<8sII")
_MAGIC = b"FMPLAN\x00\x01"
_MOST_BYTES = 1 << 20
_MOST_VERSIONS = 8
_PATIENCE_S = 1.0


class PartPlan(NamedTuple):
    """What a version of the project says; see workers/flow/part.py."""

    views: tuple[str, ...]
    wait_ms: int
    verdict: str | None = None


class PlanBook:
    """The supervisor's: `fd` is the page. Used by one thread."""

    def __init__(self) -> None:
        """Raises OSError."""
        self.fd = os.memfd_create("framemill-part-plans")
        self._plans: dict[int, PartPlan | None] = {}
        self._write()

    def enter(self, version: str, plan: PartPlan | None) -> None:
        """Have a version known as the newest one; the one that runs is entered again before each that may follow it."""
        number = int(version or "0", 16)
        self._plans.pop(number, None)
        self._plans[number] = plan
        while len(self._plans) > _MOST_VERSIONS:
            del self._plans[next(iter(self._plans))]
        self._write()

    @property
    def has_some(self) -> bool:
        """Whether one of them has parts of several views."""
        return any(self._plans.values())

    def _write(self) -> None:
        packed = orjson.dumps([(number, plan and [*plan]) for number, plan in self._plans.items()])
        os.pwrite(self.fd, _HEAD.pack(_MAGIC, zlib.crc32(packed), len(packed)) + packed, 0)


class Plans:
    """Reads the page behind `fd`; for all threads of a process."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._known: dict[int, PartPlan | None] = {}
        self._head = b""  # of the page as it was read last

    def of(self, version: int) -> PartPlan | None:
        """Return what a version says; None where it has no such parts."""
        known = self._known
        if version not in known:
            known = self._read()
            if len(known) < _MOST_VERSIONS:
                known.setdefault(version, None)
            self._known = known
        return known.get(version)

    def may_be_open(self, version: int) -> bool:
        """Whether a part may be open that began with this version, or with one of the few before it."""
        if self.of(version) is None and os.pread(self._fd, _HEAD.size, 0) != self._head:
            self._known = self._read()  # a front that had no frame meanwhile knows no other version
        return any(self._known.values())

    @property
    def has_some(self) -> bool:
        """Whether one of the newest versions has such parts: then there is who joins them."""
        return any(self._read().values())

    def _read(self) -> dict[int, PartPlan | None]:
        give_up_s = time.monotonic() + _PATIENCE_S
        while True:
            page = os.pread(self._fd, _MOST_BYTES, 0)
            _, crc, size = _HEAD.unpack_from(page)
            packed = page[_HEAD.size : _HEAD.size + size]
            if zlib.crc32(packed) == crc:
                self._head = page[: _HEAD.size]
                return {number: plan_in(plan) for number, plan in orjson.loads(packed)}
            if time.monotonic() > give_up_s:
                return {}


def plan_in(told: list[Any] | None) -> PartPlan | None:
    """Read a plan that came as JSON; raises ValueError where it is none."""
    if told is None:
        return None
    views, *rest = told
    return PartPlan(tuple(views), *rest)
