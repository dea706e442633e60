"""A process that does nothing but look at the clock: where it is late, the machine was, and no server is to blame.

python -m bench.witness        until its standard input closes; prints (from, to) in CLOCK_MONOTONIC seconds
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_LOOK_MS = 1
_PAUSE_S = 0.01  # ten times as long as it asked to sleep

Pause = tuple[float, float]


@contextmanager
def watched_machine() -> Iterator[list[Pause]]:
    """Watch until the end of the block; the list holds the machine's pauses of over 10 ms after it."""
    command = [sys.executable, "-m", "bench.witness"]
    pauses: list[Pause] = []
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield pauses
    finally:
        said, _ = process.communicate()
        pauses += [(begun_s, ended_s) for begun_s, ended_s in json.loads(said)]


def main() -> None:
    """Look at the clock every millisecond."""
    pauses: list[Pause] = []
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN | select.POLLHUP)
    before_s = time.monotonic()
    while not poll.poll(_LOOK_MS):
        now_s = time.monotonic()
        if now_s - before_s > _PAUSE_S:
            pauses.append((before_s, now_s))
        before_s = now_s
    print(json.dumps(pauses))


if __name__ == "__main__":
    main()
