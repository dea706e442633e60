"""The log of changes: a line of JSON for each, appended by whichever process makes the change.

::

    changes/log.jsonl      {"time_ns": ..., "who": ..., "address": ..., "what": ..., "detail": {...}}
            log.1.jsonl    older, log.2.jsonl older still, and so on
            lock           held while a line is written, or the files get their next names

A line is written in one call and is on the disk before `note` returns. One that a kill or a loss of power has cut off
is passed over by readers, and whoever writes next begins a line of its own. A log that cannot be written stops nobody:
what is changed at a line is more urgent than who did it; the server's own log tells of it.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

_FOLDER = "changes"
_FILE_BYTES = 1 << 20
_MOST_FILES = 16  # some 100,000 changes
_MOST_CHARS = 500  # of each text
_PATIENCE_S = 2.0
_RETRY_S = 0.005


class Change(NamedTuple):
    """Who did what, from which address, and when; `detail` says more of it."""

    time_ns: int
    who: str
    address: str
    what: str
    detail: Mapping[str, Any]


class Changes:
    """The log in `state_dir`; for all threads, and beside other processes that write to it."""

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir / _FOLDER

    def note(self, who: str, address: str, what: str, detail: Mapping[str, Any] | None = None) -> None:
        """Append a change: `what` is a word such as `process_off`; who has no key is ''. Returns whatever happens."""
        known = {
            "time_ns": time.time_ns(),
            "who": _short(who),
            "address": _short(address),
            "what": _short(what),
            "detail": {_short(name): _plain(value) for name, value in (detail or {}).items()},
        }
        try:
            with self._held():
                self._append(orjson.dumps(known) + b"\n")
        except OSError as error:
            _log.error("a change is not in the log of changes: %s by %r: %s", what, who, error)

    def newest(self, most: int, before_ns: int | None = None) -> list[Change]:
        """Return the last changes, newest first; of those that were made before a time where one is given."""
        found: list[Change] = []
        for change in self._all():
            if before_ns is None or change.time_ns < before_ns:
                found.append(change)
                if len(found) == most:
                    break
        return found

    def last(self, *whats: str) -> Change | None:
        """Return the last change of one of these kinds."""
        return next((change for change in self._all() if change.what in whats), None)

    def _all(self) -> Iterator[Change]:
        for number in range(_MOST_FILES):
            try:
                lines = self._file(number).read_bytes().split(b"\n")
            except FileNotFoundError:
                return
            except OSError as error:
                _log.error("the log of changes cannot be read: %s", error)
                return
            yield from filter(None, map(_read, reversed(lines)))

    def _file(self, number: int) -> Path:
        return self._folder / (f"log.{number}.jsonl" if number else "log.jsonl")

    @contextmanager
    def _held(self) -> Iterator[None]:
        """Be the only writer, of all threads and processes; raises TimeoutError, OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        # a lock of its own open file each time: it keeps out threads of this process, too
        fd = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            give_up_s = time.monotonic() + _PATIENCE_S
            while not _try_lock(fd):
                if time.monotonic() >= give_up_s:
                    raise TimeoutError("another process has been at it for too long")
                time.sleep(_RETRY_S)
            yield
        finally:
            os.close(fd)

    def _append(self, line: bytes) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(self._file(0), flags, 0o600), "ab", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
                line = b"\n" + line
            file.write(line)
            os.fdatasync(file.fileno())
        if size + len(line) >= _FILE_BYTES:
            for number in reversed(range(_MOST_FILES - 1)):
                with suppress(FileNotFoundError):
                    self._file(number).replace(self._file(number + 1))


def _try_lock(fd: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _read(line: bytes) -> Change | None:
    """Return what a line says; None where it is none of ours."""
    try:
        known = orjson.loads(line)
        change = Change(known["time_ns"], known["who"], known["address"], known["what"], known["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    texts = (change.who, change.address, change.what)
    is_ours = isinstance(change.time_ns, int) and isinstance(change.detail, dict)
    return change if is_ours and all(isinstance(text, str) for text in texts) else None


def _short(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:_MOST_CHARS]


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float) else _short(str(value))
