"""The folder of pictures: `pictures/YYYY-MM-DD/ID.ext` beside the history, each file whole or not there.

A file is written under a name of its own first and then renamed; a crash leaves at most such a name behind, which is
taken away at the next start. Nothing is asked of the disk for each: a loss of power may take the last half minute's,
and what is then not as long as its row says is told as lost. What does not look like a file of ours is left alone, and
no link is followed.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from service.safe_files import new_file

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAY = re.compile(r"\d{4}-\d\d-\d\d|undated")
_FILE = re.compile(r"[0-9a-f]{18}\.[a-z]{3,4}")
_PART = re.compile(r"\.[0-9a-f]{18}\.[a-z]{3,4}\.\d+")
_NAMED = re.compile(rf"(?:{_DAY.pattern})/{_FILE.pattern}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_OLD_PART_S = 60.0  # another server, which this one takes over from, may write still
_SECOND_NS = 1_000_000_000


class Found(NamedTuple):
    """A file of ours: its name beneath the folder, its size, how old it is."""

    file: str
    size_bytes: int
    age_s: float


def pictures_in(state_dir: Path) -> Path:
    """Return where the pictures of a server lie, by its state folder; also where its database is elsewhere."""
    return state_dir / "history" / "pictures"


def file_of(frame_id: str, came_ns: int, ending: str) -> str:
    """Return what the picture of a frame is called; names are in the order of time."""
    return f"{day_of(came_ns)}/{frame_id}.{ending}"


def day_of(came_ns: int) -> str:
    """Return the day that a frame came, UTC."""
    try:
        return f"{datetime.fromtimestamp(came_ns // _SECOND_NS, UTC):%Y-%m-%d}"
    except (OverflowError, ValueError, OSError):
        return "undated"  # of a clock that nobody has set


def oldest_name(since_ns: int) -> str:
    """Return a name that those of all older pictures are smaller than, and no other."""
    return f"{day_of(since_ns)}/{since_ns:016x}"


class PictureFolder:
    """For all threads of any process. Every method may raise OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, file: str, content: bytes) -> None:
        """Write one; it is there whole, or not at all."""
        day, _, name = file.partition("/")
        part = f".{name}.{os.getpid()}"
        with self._day(day, make=True) as day_fd:
            try:
                with suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=day_fd)  # of a process that had the same number
                with new_file(part, 0o600, folder_fd=day_fd) as opened:
                    opened.write(content)
                os.rename(part, name, src_dir_fd=day_fd, dst_dir_fd=day_fd)
            except BaseException:
                with suppress(OSError):
                    os.unlink(part, dir_fd=day_fd)
                raise

    def read(self, file: str) -> bytes | None:
        """Return one; None where there is none of this name, or it is no file."""
        if not _NAMED.fullmatch(file):
            return None
        day, _, name = file.partition("/")
        with suppress(FileNotFoundError, NotADirectoryError), self._day(day) as day_fd:
            fd = os.open(name, _FILE_FLAGS, dir_fd=day_fd)
            with os.fdopen(fd, "rb") as opened:
                return opened.read()
        return None

    def size_bytes(self, file: str) -> int | None:
        """How long one is; None where it is not there."""
        day, _, name = file.partition("/")
        with suppress(FileNotFoundError, NotADirectoryError), self._day(day) as day_fd:
            return os.stat(name, dir_fd=day_fd, follow_symlinks=False).st_size
        return None

    def remove(self, file: str) -> None:
        """Take one away, if it is there."""
        if _NAMED.fullmatch(file):
            day, _, name = file.partition("/")
            with suppress(FileNotFoundError, NotADirectoryError), self._day(day) as day_fd:
                os.unlink(name, dir_fd=day_fd)

    def free_bytes(self) -> int:
        """What is free on the disk for who is not root."""
        try:
            found = os.statvfs(self.path)
        except FileNotFoundError:
            self.make()
            found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def make(self) -> None:
        """Have it there."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def tidy(self) -> Iterator[Found]:
        """Take away what a crash has left half, and days without any; yields each file that is ours."""
        now_s = time.time()
        days = [entry.name for entry in self._scan(self.path) if entry.is_dir(follow_symlinks=False)]
        for day in sorted(filter(_DAY.fullmatch, days)):
            for entry in self._scan(self.path / day):
                with suppress(FileNotFoundError):
                    about = entry.stat(follow_symlinks=False)
                    age_s = now_s - about.st_mtime
                    if _FILE.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                        yield Found(f"{day}/{entry.name}", about.st_size, age_s)
                    elif _PART.fullmatch(entry.name) and not _OLD_PART_S > age_s >= 0:
                        Path(entry.path).unlink()
            self.drop_day(day)

    def drop_day(self, day: str) -> None:
        """Take a day away where nothing is left of it, and it is not today."""
        if day != day_of(time.time_ns()):
            with suppress(OSError):  # something is there
                (self.path / day).rmdir()

    @contextmanager
    def _day(self, day: str, *, make: bool = False) -> Iterator[int]:
        """Open a day's folder; no link is followed."""
        if make:
            with suppress(FileExistsError, FileNotFoundError):
                (self.path / day).mkdir(0o700)
        try:
            day_fd = os.open(self.path / day, _FOLDER)
        except FileNotFoundError:
            if not make:
                raise
            self.make()  # somebody has taken all of it away
            with suppress(FileExistsError):
                (self.path / day).mkdir(0o700)
            day_fd = os.open(self.path / day, _FOLDER)
        try:
            yield day_fd
        finally:
            os.close(day_fd)

    @staticmethod
    def _scan(folder: Path) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder) as found:
                return [*found]
        except (FileNotFoundError, NotADirectoryError):
            return []
