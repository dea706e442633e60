"""How the server ends, as its exit status says it."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """Exit statuses of the server."""

    STOPPED = 0
    FAILED = 1
    CANNOT_LOAD_PROJECT = 3
    CANNOT_START_FRONTS = 4
    STOPPED_BY_FORCE = 5
