"""The frame memory itself: made once by the supervisor, mapped by everybody.

It is a memfd: anonymous, so there is no name to guess and nothing stays behind. All of it is allocated at start
(`posix_fallocate`), so that too little memory is a message then and not a SIGBUS under load; it is sealed against
shrinking and growing, so that no process can pull a page from under another.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
from dataclasses import dataclass

from workers.errors import NotEnoughMemory
from workers.machine import memory_mib
from workers.memory.layout import Geometry

_MIB = 1 << 20
# <linux/fcntl.h>; Python's fcntl module names these from 3.8 on only where libc's headers did
_F_ADD_SEALS = getattr(fcntl, "F_ADD_SEALS", 1033)
_F_SEAL_SEAL, _F_SEAL_SHRINK, _F_SEAL_GROW = 0x1, 0x2, 0x4
_MADV_DONTDUMP = mmap.MADV_DONTDUMP


@dataclass(frozen=True, slots=True)
class ArenaFile:
    """The memory's file descriptor, inherited by number, and its layout; `global_fd` is that of globalData."""

    fd: int
    geometry: Geometry
    global_fd: int = -1


def _available_bytes() -> int:
    with open("/proc/meminfo", encoding="ascii") as meminfo:  # noqa: PTH123 - a kernel table, not a path of ours
        for line in meminfo:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_AVPHYS_PAGES") * mmap.PAGESIZE


def create_arena(geometry: Geometry, global_fd: int = -1) -> ArenaFile:
    """Allocate and seal the frame memory; `global_fd` is handed on with it.

    Raises:
        NotEnoughMemory: it cannot be had; the message says how much was asked for and which settings decide that.
    """
    needed = geometry.total_bytes
    advice = (
        f"the frame memory needs {needed // _MIB} MiB ({geometry.slots} slots of "
        f"{geometry.request_bytes // _MIB} + {geometry.reply_bytes // _MIB} MiB): "
        "lower slots, max_frame_mib or max_reply_mib, or free memory"
    )
    # a memory cgroup or the out-of-memory killer would end us without a message, so ask before touching
    available = min(_available_bytes(), memory_mib() * _MIB)
    if needed > available:
        raise NotEnoughMemory(f"{advice}; {available // _MIB} MiB are available")
    fd = os.memfd_create("framemill", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.posix_fallocate(fd, 0, needed)
    except OSError as error:
        os.close(fd)
        why = "files may not be so large here (ulimit -f)" if error.errno == errno.EFBIG else error.strerror
        raise NotEnoughMemory(f"{advice}; {why}") from None
    fcntl.fcntl(fd, _F_ADD_SEALS, _F_SEAL_SHRINK | _F_SEAL_GROW | _F_SEAL_SEAL)
    return ArenaFile(fd, geometry, global_fd)


def map_part(arena: ArenaFile, start: int, end: int, *, writable: bool, populate: bool = False) -> memoryview:
    """Map the bytes from `start` (on a page) to `end` of the frame memory.

    `populate` maps all pages at once: right for a front, which lives long and touches every slot, and too slow for
    a worker that replaces another.

    Raises:
        NotEnoughMemory: this process may not have so much.
    """
    protection = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    flags = mmap.MAP_SHARED | (mmap.MAP_POPULATE if populate else 0)
    try:
        mapped = mmap.mmap(arena.fd, end - start, flags=flags, prot=protection, offset=start)
    except OSError as error:
        msg = (
            f"{(end - start) // _MIB} MiB of frame memory cannot be mapped: {error.strerror}; "
            "raise the memory limit (ulimit -v), or ask for fewer slots"
        )
        raise NotEnoughMemory(msg) from None
    mapped.madvise(_MADV_DONTDUMP)  # frames may show products or people: not in a core file
    return memoryview(mapped)


def keep_from_children(part: memoryview) -> None:
    """Leave a mapped part out of the processes that this one forks: they must not write into frames."""
    mapped = part.obj
    assert isinstance(mapped, mmap.mmap)
    mapped.madvise(mmap.MADV_DONTFORK)


def keep_large_arrays() -> None:
    """Let malloc keep freed frame-sized blocks instead of giving them back to the kernel after every frame.

    glibc maps blocks of this size anew each time, and the page faults of a 6 MB array cost about as much as
    copying it. Constants from <malloc.h>: M_MMAP_THRESHOLD is -3, M_TRIM_THRESHOLD -1.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(-3, 64 * _MIB)
        libc.mallopt(-1, 256 * _MIB)


def give_back_freed() -> None:
    """Give what was freed back to the kernel, once: loading may take several times what it keeps."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
