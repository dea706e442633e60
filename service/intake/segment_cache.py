"""Segments that clients use again and again, kept mapped between their frames.

A camera leaves each frame in the same segment. To copy one of 1920x1024x3 takes 0.14 to 0.3 ms from a mapping that
stands, 0.35 to 0.6 with `preadv`, and 0.5 to 0.8 where it is mapped for one frame. So a segment is mapped when it comes
for the second time, and let go when its name leads elsewhere, when it was not used for a while, or for others.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.intake.mapped_window import Window

_MOST = 64
_LOOK_EVERY_S = 1.0
_UNUSED_S = 30.0
_BLOCK_BYTES = 512  # of st_blocks, see stat(2)

# device, inode, size
_Identity = tuple[int, int, int]


@dataclass(slots=True)
class _Kept:
    identity: _Identity
    used_s: float
    window: Window | None = None
    may_be_mapped: bool = True


class KeptSegments:
    """The windows of one front on its clients' segments in a folder."""

    def __init__(self, folder_fd: Callable[[], int]) -> None:
        self._folder_fd = folder_fd
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}  # who was used last is last
        self._has_watch = False

    def find(self, name: str, fd: int, status: os.stat_result) -> Window | None:
        """Return a window on the segment `name`, open as `fd`; None where it is to be copied in another way."""
        identity = _identity(status)
        now_s = time.monotonic()
        with self._lock:
            kept = self._kept.pop(name, None)
            if kept is None or kept.identity != identity:
                self._kept[name] = _Kept(identity, now_s)
                if len(self._kept) > _MOST:
                    del self._kept[next(iter(self._kept))]
                return None
            self._kept[name] = kept
            kept.used_s = now_s
            if kept.window is None and kept.may_be_mapped:
                kept.window = _open(fd, status)
                kept.may_be_mapped = kept.window is not None
                self._watch()
            return kept.window

    def drop(self, name: str) -> None:
        """Forget a segment."""
        with self._lock:
            self._kept.pop(name, None)

    def _watch(self) -> None:
        if not self._has_watch:
            self._has_watch = True
            threading.Thread(target=self._let_go, name="kept-segments", daemon=True).start()

    def _let_go(self) -> None:
        """Run while there are segments: one that its owner has removed stays in memory for as long as it is mapped."""
        while True:
            time.sleep(_LOOK_EVERY_S)
            with self._lock:
                for name in [name for name, kept in self._kept.items() if self._is_over(name, kept)]:
                    del self._kept[name]
                if not self._kept:
                    self._has_watch = False
                    return

    def _is_over(self, name: str, kept: _Kept) -> bool:
        if time.monotonic() - kept.used_s > _UNUSED_S:
            return True
        try:
            return _identity(os.stat(name, dir_fd=self._folder_fd(), follow_symlinks=False)) != kept.identity
        except OSError:
            return True


def _identity(status: os.stat_result) -> _Identity:
    return status.st_dev, status.st_ino, status.st_size


def _open(fd: int, status: os.stat_result) -> Window | None:
    # to read a hole through a mapping takes memory, and it would be ours
    if status.st_blocks * _BLOCK_BYTES < status.st_size:
        return None
    try:
        return Window(fd, status.st_size)
    except OSError:
        return None
