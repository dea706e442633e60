"""A front's threads, also where the machine has no more of them to give: requests wait for those that there are.

Python's pool queues a request, fails to start a thread for it, and raises: the request is done by another thread, but
nobody hears of its end, and gunicorn's main loop ends with the error, and with it the front.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor

_log = logging.getLogger(__name__)

_SCARCE_S = 1.0


class ScarceThreads(ThreadPoolExecutor):
    """The main thread submits; has one thread from its making on, and raises RuntimeError where it cannot."""

    def __init__(self, most: int) -> None:
        super().__init__(most)
        self._scarce_until_s = 0.0
        self._has_one = False
        self.submit(int).result()
        self._has_one = True

    @property
    def are_scarce(self) -> bool:
        """Whether a thread is missing: then none of them should wait for what may not come."""
        if not self._scarce_until_s:
            return False
        # who waits here since then has nobody to start a thread, and may be behind cameras that keep theirs
        return time.monotonic() < self._scarce_until_s or self._work_queue.qsize() > 0

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError as error:
            if not self._has_one:
                raise
            if time.monotonic() >= self._scarce_until_s:
                there = len(self._threads)
                _log.error("no thread can be started at the moment: %s; requests share the %d there are", error, there)
            self._scarce_until_s = time.monotonic() + _SCARCE_S
