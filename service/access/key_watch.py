"""The keys of now: each front looks after the file of keys and takes changes over while it serves."""

from __future__ import annotations

import hashlib
import logging
import mmap
import os
import struct
import threading
from pathlib import Path

from service.access.key_file import LARGEST_BYTES, clients, read_text
from service.access.keyring import Client, Keyring
from workers.errors import SettingsInvalid

_log = logging.getLogger(__name__)
LOOK_EVERY_S = 0.25
_HEAD = struct.Struct("<Q32s")  # length of the text, its SHA-256

# what tells that a file has changed: device, inode, size, and when its content and its state last changed, in ns
Look = tuple[int, int, int, int, int]


class LastGood:
    """The last file of keys without a mistake, in memory that all fronts share.

    A front that is started while the file is broken must neither know nobody nor a client that was removed since the
    server's start. The text stands behind its length and its SHA-256; one that was torn by two writers counts as none.
    """

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, _HEAD.size + LARGEST_BYTES)

    def keep(self, text: bytes) -> None:
        """Remember `text`."""
        self._page[: _HEAD.size + len(text)] = _HEAD.pack(len(text), hashlib.sha256(text).digest()) + text

    def text(self) -> bytes:
        """Return what was kept; nothing where there is none."""
        length, digest = _HEAD.unpack(self._page[: _HEAD.size])
        text = self._page[_HEAD.size : _HEAD.size + min(length, LARGEST_BYTES)]
        return text if hashlib.sha256(text).digest() == digest else b""


class KeyWatch:
    """Holds the ring of now, with the key of the settings and those of the file.

    Made in the fronts' master, before it forks, so that all fronts share the last good file; `begin` is for each front.
    """

    def __init__(self, single: Client | None, path: Path | None) -> None:
        self._single = () if single is None else (single,)
        self._path = path
        self._last_good = LastGood()
        self._seen: Look | None = None
        self._changing: Look | None = None
        self.ring = Keyring(self._single)

    def begin(self) -> None:
        """Read the file, and from now on follow it."""
        if self._path is None:
            return
        self._seen = self._changing = look_at(self._path)
        if not self._read():
            self._put(clients(self._last_good.text()))
        threading.Thread(target=self._follow, name="keys", daemon=True).start()

    def _follow(self) -> None:
        waiting = threading.Event()
        while not waiting.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        """Take the file over if it has changed, and has stayed so since the last look: it may be half written."""
        assert self._path is not None
        now = look_at(self._path)
        settled, self._changing = now == self._changing, now
        if settled and now != self._seen:
            self._seen = now
            if self._read():
                _log.warning("the keys have changed: %d clients", len(self.ring.clients))

    def _read(self) -> bool:
        assert self._path is not None
        try:
            text = read_text(self._path)
            found = clients(text)
        except SettingsInvalid as error:
            _log.error("the keys stay as they were:\n%s", error)
            return False
        self._last_good.keep(text)
        self._put(found)
        return True

    def _put(self, found: tuple[Client, ...]) -> None:
        before, self.ring = self.ring, Keyring((*self._single, *found))
        # only now: whoever asks anew finds the new ring
        before.retired = True


def look_at(path: Path) -> Look | None:
    """Return what tells whether a file has changed; None where it cannot be looked at."""
    try:
        status = os.stat(path)  # noqa: PTH116 - four times a second for as long as the server lives
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
