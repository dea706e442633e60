"""What is handed over of parts, as descriptors by number: to fronts, and to the server that follows this one."""

from __future__ import annotations

import os
import socket
import stat
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict


class PartsPlan(BaseModel):
    """By the numbers of the fronts: their ends of the links to the part desk, and what waits for a place there.

    And the pages that all of them read.
    """

    model_config = ConfigDict(frozen=True)

    links: tuple[int, ...]
    unsent_fds: tuple[int, ...]
    plans_fd: int
    counts_fd: int

    @property
    def fds(self) -> tuple[int, ...]:
        """Every descriptor that a front must inherit."""
        return (*self.links, *self.unsent_fds, self.plans_fd, self.counts_fd)


class PartsHandedOn(NamedTuple):
    """What a server hands to the one that follows it, which goes on with the parts that are open.

    The memory in which these are kept (desk/kept.py), the next server's end of a link to the part desk, the page by
    which they agree (desk/heir.py), and the ring in which parts are on record; -1 where there is none.
    """

    kept_fd: int
    link_fd: int
    heir_fd: int
    ring_fd: int

    @property
    def fds(self) -> tuple[int, ...]:
        """Those that are there."""
        return tuple(fd for fd in self if fd >= 0)

    def as_text(self) -> str:
        """Return it as one variable of the environment; see `read`."""
        return ",".join(map(str, (_FORM, *self)))

    @classmethod
    def read(cls, text: str) -> PartsHandedOn | None:
        """Read what the server before has said; None where that is of another version, or not there any more."""
        form, *numbers = map(int, text.split(","))
        if form != _FORM or len(numbers) != len(cls._fields):
            return None
        found = cls(*numbers)
        try:  # a server that knew nothing of it may have passed the variable on, and no descriptors
            if not stat.S_ISSOCK(os.fstat(found.link_fd).st_mode):
                return None
            for fd in found.fds:
                os.set_inheritable(fd, False)
        except OSError:
            return None
        return found

    def link(self) -> socket.socket:
        """Return the link, for a process that has inherited it."""
        return socket.socket(fileno=self.link_fd)


_FORM = 1
