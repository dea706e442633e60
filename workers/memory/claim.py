"""Who runs a slot: one byte of the frame memory locked in the kernel.

A descriptor may be delivered twice (a job whose descriptor may have been lost is simply announced again), so taking one
is not yet a right to run it. The right is a POSIX record lock on the byte whose offset is the slot's index: two
processes never hold it at once, and the kernel gives it back when its holder dies, whatever killed it. One system
call, about a microsecond; no lock in user space that a dead process could hold.
"""

from __future__ import annotations

import fcntl
import os
import time
from typing import TYPE_CHECKING

from workers.memory.slot import Outcome, State, Word

if TYPE_CHECKING:
    from workers.memory.slot import Header

_RETRY_S = 0.0002
_FRONTS_AT = 1 << 40  # far beyond the memory's end: a lock needs no byte behind it


def try_lock(fd: int, slot: int) -> bool:
    """Take the lock on `slot` if nobody else has it."""
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, slot, os.SEEK_SET)
    except OSError:
        return False
    return True


def unlock(fd: int, slot: int) -> bool:
    """Give the lock on `slot` back; false where user code has closed the memory, and so unlocked it."""
    try:
        fcntl.lockf(fd, fcntl.LOCK_UN, 1, slot, os.SEEK_SET)
    except OSError:
        return False
    return True


def claim(fd: int, header: Header, generation: int) -> bool:
    """Take the right to run `generation` of a slot and move it to RUNNING; False where there is nothing to do.

    Another process may hold the lock for the moment it needs to see that its own descriptor is stale. So a failed
    try is repeated as long as the job still waits.
    """
    words = header.words
    while words[Word.GENERATION] == generation and words[Word.STATE] == State.QUEUED:
        if not try_lock(fd, header.index):
            time.sleep(_RETRY_S)
            continue
        if words[Word.GENERATION] == generation and words[Word.STATE] == State.QUEUED:
            words[Word.OWNER_PID] = os.getpid()
            words[Word.STARTED_NS] = time.monotonic_ns()
            words[Word.LIMIT_NS] = 0
            header.move(State.RUNNING)
            return True
        unlock(fd, header.index)
        return False
    return False


def take_back(fd: int, header: Header, generation: int, outcome: Outcome) -> bool:
    """End `generation` of a slot that still waits; False where a worker has it, or is just about to.

    For fronts: a slot that no worker has claimed is theirs, and nobody else's worker has to come by first.
    """
    words = header.words
    if words[Word.STATE] != State.QUEUED or not try_lock(fd, header.index):
        return False
    waits: bool = words[Word.GENERATION] == generation and words[Word.STATE] == State.QUEUED
    if waits:
        words[Word.OUTCOME] = outcome
        header.move(State.DONE)
    unlock(fd, header.index)
    return waits


def withdraw(fd: int, header: Header) -> bool:
    """Say that nobody waits for a frame any more; False where a worker has it, and lets go of it in its own time."""
    generation = header.words[Word.GENERATION]
    header.words[Word.CANCELLED] = generation
    return take_back(fd, header, generation, Outcome.CANCELLED)


def hold_front(fd: int, front: int) -> None:
    """Become front `front`: waits until the process that was it before is really gone."""
    fcntl.lockf(fd, fcntl.LOCK_EX, 1, _FRONTS_AT + front, os.SEEK_SET)
