"""A page in memory that one process writes JSON to and others read; it outlives its writer, and no kill tears it.

::

    word 0  writes     counts them; the half of the last one is the one that holds
         1  bytes 0    of the text in the first half, from byte 64 on
         2  bytes 1    of that in the second
"""

from __future__ import annotations

import os
import struct
from typing import Any

import orjson

_HEAD = struct.Struct("=QQQ")
_WORD = struct.Struct("=Q")
_START = 64
_HALF_BYTES = 1 << 20
_TRIES = 5


def create_page(name: str) -> int:
    """Make one with nothing on it; raises OSError."""
    fd = os.memfd_create(f"framemill-{name}")
    os.ftruncate(fd, _START + 2 * _HALF_BYTES)
    return fd


def write_page(fd: int, document: Any) -> None:
    """Write what follows what is there; raises ValueError where it has no room."""
    text = orjson.dumps(document, option=orjson.OPT_NON_STR_KEYS)
    if len(text) > _HALF_BYTES:
        raise ValueError(f"a page has room for {_HALF_BYTES} bytes, got {len(text)}")
    writes = _HEAD.unpack(os.pread(fd, _HEAD.size, 0))[0] + 1
    half = writes % 2
    os.pwrite(fd, text, _START + half * _HALF_BYTES)
    os.pwrite(fd, _WORD.pack(len(text)), _WORD.size * (1 + half))
    os.pwrite(fd, _WORD.pack(writes), 0)


def writes_of(fd: int) -> int:
    """How often something was written."""
    return int(_HEAD.unpack(os.pread(fd, _HEAD.size, 0))[0])


def read_page(fd: int) -> Any:
    """Return what was written last; None where nothing was."""
    for _ in range(_TRIES):
        writes, *sizes = _HEAD.unpack(os.pread(fd, _HEAD.size, 0))
        if not writes:
            return None
        text = os.pread(fd, sizes[writes % 2], _START + writes % 2 * _HALF_BYTES)
        if writes_of(fd) <= writes + 1:  # else its writer is at this half again
            try:
                return orjson.loads(text)
            except orjson.JSONDecodeError:
                continue  # it was at it while the head was read
    return None
