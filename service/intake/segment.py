"""A client's shared-memory segment, copied into a slot.

It is opened by descriptor, read-only, without following links: `multiprocessing.shared_memory` would unlink it when we
exit. It is copied with `preadv`, or from a mapping that stands (segment_cache.py), which its owner may truncate without
harm (mapped_window.py). A segment that was too short for a moment is an error, and stays its owner's. All checks but
the name's are made on what was opened, and all that follows is done with the copy: what the owner changes meanwhile
shows in it or not, but never in half of an inspection.

Who may have a segment read is its owner: it must be the server's own, or its mode must let the server's group or
everybody read it. That holds for a server that runs as root too, or any user of the host could see the frames of all
others through it. What is not there and what we may not read get the same answer.
"""

from __future__ import annotations

import functools
import os
import re
import stat
from typing import TYPE_CHECKING

from service.intake.segment_cache import KeptSegments
from workers.errors import FrameTooLarge, InvalidParameter, SegmentInvalid, SegmentNotFound
from workers.pixels.pixel_format import PixelFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

_FOLDER = "/dev/shm"  # noqa: S108 - this is where POSIX shared memory lives on Linux, see shm_overview(7)
# what CPython's SharedMemory makes by itself, with or without the slash that its `name` hides
_NAME = re.compile(r"/?(psm_[0-9a-f]{8})")
_CHANNELS = (4, 3, 1)


def segment_name(values: Mapping[str, str]) -> str:
    """Read `name`; raises InvalidParameter."""
    name = values.get("name")
    if name is None:
        raise InvalidParameter("name is missing; the name of the shared-memory segment was expected")
    found = _NAME.fullmatch(name)
    if found is None:
        raise InvalidParameter(f"name={name[:40]!r} is not a segment's name; expected psm_ and eight hex digits")
    return found.group(1)


def copy_segment(name: str, width: int, height: int, fmt: PixelFormat | None, area: memoryview) -> int:
    """Copy a frame of `width` x `height` pixels from segment `name` to the start of `area`; returns its bytes.

    Without a format the segment's size tells BGRA, BGR and grey apart. A segment may be larger than its frame, since
    some systems round its size up to whole pages.

    Raises:
        SegmentNotFound: there is none of this name that we may read.
        SegmentInvalid: it is smaller than the frame, or shrank while it was copied.
        FrameTooLarge: the frame does not fit a slot.
    """
    fd = _open(name)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode) or not _may_read(status):
            raise SegmentNotFound("there is no such segment")
        length = _frame_bytes(status.st_size, width, height, fmt)
        if length > len(area):
            raise FrameTooLarge(f"the frame has {length} bytes, at most {len(area)} are accepted (max_frame_mib)")
        copied = _copy(name, fd, status, area[:length])
    finally:
        os.close(fd)
    if copied < length:
        raise SegmentInvalid(f"the segment ended after {copied} of {length} bytes while it was copied")
    return length


@functools.cache
def _folder_fd() -> int:
    return os.open(_FOLDER, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


_kept = KeptSegments(_folder_fd)


def _open(name: str) -> int:
    # a link, a pipe or a device planted under this name must neither be followed nor block
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(name, flags, dir_fd=_folder_fd())
    except OSError:
        raise SegmentNotFound("there is no such segment") from None


def _may_read(status: os.stat_result) -> bool:
    """Tell whether the mode lets this process read, its privileges left aside; see path_resolution(7)."""
    if status.st_uid == os.geteuid():
        return bool(status.st_mode & stat.S_IRUSR)
    if status.st_gid == os.getegid() or status.st_gid in os.getgroups():
        return bool(status.st_mode & stat.S_IRGRP)
    return bool(status.st_mode & stat.S_IROTH)


def _frame_bytes(size: int, width: int, height: int, fmt: PixelFormat | None) -> int:
    if fmt is not None:
        length = fmt.frame_bytes(width, height)
        if size < length:
            raise SegmentInvalid(f"the segment has {size} bytes, {length} are needed for {fmt.name} {width}x{height}")
        return length
    for channels in _CHANNELS:
        length = channels * width * height
        if length <= size < length + max(4096, width * height):
            return length
    raise SegmentInvalid(
        f"the segment has {size} bytes; expected {width * height} (grey), {3 * width * height} (BGR) "
        f"or {4 * width * height} (BGRA) for {width}x{height}"
    )


def _copy(name: str, fd: int, status: os.stat_result, area: memoryview) -> int:
    """Return how much of the segment was there to fill `area`."""
    window = _kept.find(name, fd, status)
    if window is None:
        return _read(fd, area)
    was_there = window.copy_to(area)
    # the last page is there to its end, even where the segment ends in the midst of it now
    size = min(os.fstat(fd).st_size, len(area))
    if was_there and size == len(area):
        return size
    _kept.drop(name)
    return min(size, len(area) - 1)


def _read(fd: int, area: memoryview) -> int:
    copied = 0
    while copied < len(area):
        got = os.preadv(fd, [area[copied:]], copied)
        if got == 0:
            break
        copied += got
    return copied
