"""The least that a pool of Python workers can cost: receiver.c in front, and behind it the job alone.

    python -m bench.smallest_pool RECEIVER WORKERS

The receiver puts each frame into shared memory, sends 16 bytes down a pipe and waits for an eventfd; a worker reads
them, does the job of the peers (peers/job.py) on the frame where it lies and leaves its JSON behind it. There is no
parser, no limit, no deadline and no check, one worker's death stops it all, and C is what it is written in wherever the
job lets it. What is left is the price of a second process that runs Python: no server with workers of their own needs
less.
"""

from __future__ import annotations

import importlib
import mmap
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

from workers.parent import die_with_parent

_PEERS = Path(__file__).parent / "peers"
_SLOTS = 8
# as in receiver.c
_SLOT_BYTES = 8 << 20
_REPLY_BYTES = 4096
_JOB = struct.Struct("QQ")
_LENGTH = struct.Struct("Q")


def _work(memory: mmap.mmap, jobs_fd: int, done_fds: list[int], inspect: Callable[[memoryview], bytes]) -> None:
    slots = [memoryview(memory)[start : start + _SLOT_BYTES] for start in range(0, len(memory), _SLOT_BYTES)]
    replies = [slot[-_REPLY_BYTES:] for slot in slots]
    while job := os.read(jobs_fd, _JOB.size):
        slot, length = _JOB.unpack(job)
        said = inspect(slots[slot][:length])
        _LENGTH.pack_into(replies[slot], 0, len(said))
        replies[slot][_LENGTH.size : _LENGTH.size + len(said)] = said
        os.eventfd_write(done_fds[slot], 1)


def main(receiver: str, workers: int) -> None:
    """Fork the workers and become the receiver, which prints its port."""
    sys.path.insert(0, str(_PEERS))
    job = importlib.import_module("job")
    memory_fd = os.memfd_create("framemill-smallest-pool")
    os.ftruncate(memory_fd, _SLOTS * _SLOT_BYTES)
    memory = mmap.mmap(memory_fd, _SLOTS * _SLOT_BYTES)
    jobs_read, jobs_write = os.pipe()
    done_fds = [os.eventfd(0, 0) for _ in range(_SLOTS)]
    parent = os.getpid()
    for _ in range(workers):
        if os.fork() == 0:
            die_with_parent(parent)
            _work(memory, jobs_read, done_fds, job.inspect)
    given = [memory_fd, jobs_write, *done_fds]
    for fd in given:
        os.set_inheritable(fd, True)
    os.execv(receiver, [receiver, *map(str, given)])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
