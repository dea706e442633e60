"""Which descriptors of a process are the server's own, so that no child that user code starts keeps one.

User code may close one of ours, and its number is then given to something else. So ours are known by what they are: by
device and inode, and the many files that share the kernel's one anonymous inode by what /proc/self/fdinfo says of them
(`eventfd-id`, and what an epoll waits for). Copies are found by that too: Python's mmap keeps one of the frame memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

_Mark = tuple[int, int, str]
_TELLING = ("eventfd-id:", "tfd:")
_MEMORY_DEVICES = 1  # /dev/null, /dev/zero, /dev/urandom: they have no state


class Ours:
    """The server's descriptors in this process, `shared` ones among them: what is said to them is the server's log.

    From its making on, a child that user code forks has none of the others, whatever library forked it. Programs that
    are executed have none either, for all are closed on exec.
    """

    def __init__(self, fds: Iterable[int], shared: Iterable[int]) -> None:
        self._marks = {_mark(fd) for fd in fds}
        self._shared = {_mark(fd) for fd in shared}
        self._is_our_fork = False
        os.register_at_fork(after_in_child=self._leave)

    def add(self, *fds: int, shared: int | None = None) -> None:
        """Count these too."""
        self._marks |= {_mark(fd) for fd in fds}
        if shared is not None:
            self._shared.add(_mark(shared))

    @contextlib.contextmanager
    def kept_by_children(self) -> Iterator[None]:
        """Inside of the block this process forks for the server: such a child keeps everything."""
        self._is_our_fork = True
        try:
            yield
        finally:
            self._is_our_fork = False

    def belong_to_us(self) -> None:
        """In such a child: what it forks from now on is user code's."""
        self._is_our_fork = False

    def foreign(self, but: Collection[int] = ()) -> list[str]:
        """Name what is open beside ours and `but`, and could not be shared by forks: not regular files for reading."""
        found = []
        for fd in set(_open_fds()).difference(but):
            with contextlib.suppress(OSError):
                if _mark(fd) not in self._marks | self._shared and not _is_harmless(fd):
                    found.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
        return found

    def _leave(self) -> None:
        """In a child that user code forked: it must neither take jobs, nor keep a pipe open, nor see frames."""
        if self._is_our_fork:
            return
        places = {mark[:2] for mark in self._marks}
        theirs = []
        for fd in _open_fds():
            with contextlib.suppress(OSError):
                status = os.fstat(fd)
                if (status.st_dev, status.st_ino) in places and _mark(fd) in self._marks:
                    theirs.append(fd)
        for fd in theirs:  # not sooner: an epoll is known by what it waits for
            os.close(fd)


def _open_fds() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - in every fork, five times as fast
    except OSError:  # no descriptor is left to look with
        return []


def _mark(fd: int) -> _Mark:
    status = os.fstat(fd)
    told = ""
    if stat.S_IFMT(status.st_mode) == 0:  # an anonymous inode has no type
        with contextlib.suppress(OSError), open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as info:  # noqa: PTH123 - as above
            told = " ".join(_telling(line) for line in info if line.startswith(_TELLING))
    return status.st_dev, status.st_ino, told


def _telling(line: str) -> str:
    """Keep of an epoll's line which file it waits for, not for what: that may change."""
    words = line.split()
    return (
        line.strip() if words[0] != "tfd:" else " ".join(word for word in words if word.startswith(("ino:", "sdev:")))
    )


def _is_harmless(fd: int) -> bool:
    status = os.fstat(fd)
    if stat.S_ISCHR(status.st_mode):
        return os.major(status.st_rdev) == _MEMORY_DEVICES
    return stat.S_ISREG(status.st_mode) and fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
