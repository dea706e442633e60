"""Where copies of versions lie, and when they go.

The state folder comes first, unless it lies in the project's own folder: that may be moved, and a copy with it. Then
the folder for temporary files does. Where there is no room, or nobody may write, memory does (/dev/shm), and where even
that has none, the state folder after all.

Whoever uses a copy holds a lock on its folder, which the kernel gives back when that process ends, however it does: a
folder that nobody holds is left over, and goes. (So systemd-tmpfiles leaves those alone that are held.) Two servers may
share a state folder: each makes copies of its own.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workers.errors import NoRoomForVersion
from workers.this_process import die_with_parent
from workers.versions.copy import FILES, NOTHING_LAID, Laid, Manifest, NoPlace, copy_project
from workers.versions.listing import Listing

_log = logging.getLogger(__name__)

VERSIONS = "versions"
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_PREFIX = "framemill-versions-"
_NEW = "new-"
_YOUNG_S = 60.0  # a folder that is not locked yet
_WHOLE = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Version:
    """A copy: its hash, and the folder that is the project as it was."""

    id: str
    folder: Path


def places_for(origin: Path, state_dir: Path) -> tuple[Path, ...]:
    """Name the folders for one server's copies of the project in `origin`; each is made when it is needed."""
    name = f"{_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"  # that nobody can guess, and be there before
    if state_dir.resolve().is_relative_to(origin.resolve()):
        return *(path / name for path in _temporary()), _MEMORY / name, state_dir / VERSIONS
    return state_dir / VERSIONS, _MEMORY / name


def _temporary() -> list[Path]:
    """The folder for temporary files; none where there is none, and the working folder would have to do."""
    try:
        found = tempfile.gettempdir()
    except FileNotFoundError:
        return []
    with suppress(FileNotFoundError):  # the working folder may be gone, then it is no choice
        if found == os.getcwd():  # noqa: PTH109 - as tempfile names it
            return []
    return [Path(found)]


def hold(folder: Path) -> int:
    """Lock the copy in `folder` as long as the descriptor that is returned is open, here or in a forked process."""
    fd = os.open(folder.parent, _WHOLE)
    with suppress(OSError):  # a file system without locks: then nobody removes it either
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return fd


class Shelf:
    """The folders that copies may lie in, the first that has room is taken."""

    def __init__(self, places: Sequence[Path]) -> None:
        self.places = tuple(places)

    def take(
        self, origin: Path, apart: Iterable[Path], laid: Laid = NOTHING_LAID, source: Path | None = None
    ) -> tuple[Version, int]:
        """Copy the project in `origin` without the folders `apart`; returns the version and its lock, see `hold`.

        `laid` and `source` are as `copy_project` has them.

        Raises:
            ProjectInvalid: the project is not there, or does not keep still.
            NoRoomForVersion: nowhere is room; the message says why in each place.
        """
        apart = (*apart, *self.places)
        reasons = []
        for place in self.places:
            try:
                return self._take(place, lambda folder: copy_project(origin, folder, apart, laid, source))
            except NoPlace as reason:
                reasons.append(f"{place}: {reason}")
        msg = f"there is no room for a copy of the project: {'; '.join(reasons)}"
        raise NoRoomForVersion(msg)

    @staticmethod
    def _take(place: Path, copy_into: Callable[[Path], tuple[Manifest, Listing]]) -> tuple[Version, int]:
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=_NEW, dir=place))
        except OSError as error:
            raise NoPlace(error.strerror or str(error)) from None
        lock = hold(folder / FILES)
        try:
            manifest, listing = copy_into(folder)
            final = folder.with_name(f"{manifest.version}-{folder.name.removeprefix(_NEW)}")
            folder.rename(final)
        except BaseException:
            os.close(lock)
            remove(folder)
            raise
        for what in listing.left_out:
            _log.warning("the version of the project that is loaded is without %s", what)
        return Version(manifest.version, final / FILES), lock

    def tidy(self) -> None:
        """Remove the copies that no process uses, those of servers that were killed too."""
        for place in {*self.places, *_left_by_others()}:
            with suppress(OSError):
                for folder in list(place.iterdir()):
                    _remove_unused(folder)
            if place.name.startswith(_PREFIX):
                with suppress(OSError):
                    place.rmdir()

    def tidy_apart(self) -> None:
        """The same in a process of its own, for one that cannot wait for a disk; it is reaped as an orphan.

        As an orphan it is also ended after a second or two. What it leaves is removed the next time.
        """
        parent = os.getpid()
        with suppress(OSError):
            if os.fork() == 0:
                try:
                    signal.set_wakeup_fd(-1)
                    die_with_parent(parent)
                    self.tidy()
                finally:
                    os._exit(0)


def _left_by_others() -> list[Path]:
    """The folders of servers of this user, where these have no state folder elsewhere."""
    found = []
    for path in (path for above in (*_temporary(), _MEMORY) for path in above.glob(f"{_PREFIX}*")):
        with suppress(OSError):
            if path.lstat().st_uid == os.geteuid() and not path.is_symlink():
                found.append(path)
    return found


def _remove_unused(folder: Path) -> None:
    if folder.name.startswith(_NEW) and time.time() - folder.lstat().st_mtime < _YOUNG_S:
        return
    fd = os.open(folder, _WHOLE | os.O_NOFOLLOW)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is used
        return
    finally:
        os.close(fd)
    remove(folder)


def remove(folder: Path) -> None:
    """Remove a copy, in which nobody has the right to write."""
    with suppress(OSError):
        for path, _, _ in os.walk(folder):
            os.chmod(path, 0o700)  # noqa: PTH101 - a name may be no UTF-8
    shutil.rmtree(folder, ignore_errors=True)
