"""How the server ends, as its exit status and its last line say it."""

from __future__ import annotations

import enum


class Exit(enum.IntEnum):
    """Exit statuses of the server."""

    STOPPED = 0
    FAILED = 1
    CANNOT_LOAD_PROJECT = 3
    CANNOT_START_FRONTS = 4
    STOPPED_BY_FORCE = 5


def how_it_ended(status: Exit, asked: int, *, was_ready: bool, by_force: bool, cut_short: int = 0) -> str:
    """Say how many processes were `asked` to end, and whether all did so by themselves.

    `cut_short` of them were killed because their code took too long at their end.
    """
    if status is Exit.STOPPED and not was_ready:
        return " before it was ready"
    how = f"{cut_short} did not end in time and were killed" if cut_short else "all ended by themselves"
    how = "the rest was killed" if by_force else how
    return f": {asked} processes were asked, {how}"
