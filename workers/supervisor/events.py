"""What the supervisor announces of the server's life."""

from __future__ import annotations

import enum


class Event(enum.Enum):
    """One of these things has happened, or begins."""

    READY = enum.auto()  # frames are inspected, for the first time
    RELOADING = enum.auto()  # another version of the project, or another server, is on its way
    RELOADED = enum.auto()  # it is there, or has failed: all is as READY again
    STOPPING = enum.auto()
    FOLLOWED = enum.auto()  # another server answers in place of this one; its process id comes with it
    ALONE = enum.auto()  # the server that this one follows has ended
