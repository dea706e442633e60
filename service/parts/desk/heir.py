"""Whether another server goes on with the parts that are open: a page that it and the server before it write.

::

     0        8                            16
    +--------+----------------------------+-----------------------------------+
    | magic  | who can: its process, u64  | who took over: its process, u64   |
    +--------+----------------------------+-----------------------------------+

The first number is of a server that was started to follow, and understands what it is handed; the second is what the
one before knows of who answers in its place. Where they are the same, the part desk leaves what is open to that one.
"""

from __future__ import annotations

import os
import struct

_PAGE = struct.Struct("<8sQQ")
_MAGIC = b"FMPTHR\x00\x01"
_CAN_AT, _TOOK_OVER_AT = 8, 16
_NUMBER = struct.Struct("<Q")


class HeirPage:
    """Behind `fd`."""

    def __init__(self, fd: int) -> None:
        """Raises ValueError where it is no such page, or one of another version; OSError where there is none."""
        if os.pread(fd, len(_MAGIC), 0) != _MAGIC:
            raise ValueError("what was handed over of parts is of another version of the server")
        self.fd = fd

    @classmethod
    def create(cls) -> HeirPage:
        """Make one; raises OSError."""
        fd = os.memfd_create("framemill-heir-of-parts")
        os.pwrite(fd, _PAGE.pack(_MAGIC, 0, 0), 0)
        return cls(fd)

    def claim(self, pid: int) -> None:
        """Say, as the server that was started to follow, that it can go on with what is open."""
        os.pwrite(self.fd, _NUMBER.pack(pid), _CAN_AT)

    def took_over(self, pid: int) -> None:
        """Say, as the server before, who answers in its place."""
        os.pwrite(self.fd, _NUMBER.pack(pid), _TOOK_OVER_AT)

    @property
    def is_certain(self) -> bool:
        """Whether who took over can go on with what is open."""
        _, can, took_over = _PAGE.unpack(os.pread(self.fd, _PAGE.size, 0))
        return bool(can) and can == took_over
