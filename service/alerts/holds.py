"""Which alerts hold the line: every frame is NOK until somebody has acknowledged them all.

Every front reads one word at every request, and so do those of the server that follows (heirloom.py); the file makes it
last. It is the Process switch (api/switch.py) once more: who changes it holds a lock, writes the file, then the word,
and the supervisor settles what somebody who was killed has left half done. A file that cannot be read means held.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import orjson

from service.alert_settings import UNKNOWN
from service.own_errors import HoldNotKept
from service.safe_files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from service.access.heirloom import Heirloom

_log = logging.getLogger(__name__)

_FILE = "holds.json"
_PATIENCE_S = 5.0
_LOCK_BYTE = 1
_HOLDS, _UNDER_WAY, _CHANGES = 4, 5, 6  # words of the heirloom
_MOST_NAMES = 200
_MOST_CHARS = 500


class Hold(NamedTuple):
    """Since when an alert holds (CLOCK_REALTIME), and why."""

    since_ns: int
    why: str


class Acknowledged(NamedTuple):
    """Who has acknowledged an alert last, from which address, and when."""

    at_ns: int
    who: str
    address: str


@dataclass
class Known:
    """What the file has, by names of alerts."""

    held: dict[str, Hold] = field(default_factory=dict)
    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)


class _HoldsFile:
    """What makes it last."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / "alerts" / _FILE

    def read(self) -> Known:
        """Return what it has; UNKNOWN holds where it cannot be read."""
        try:
            left = orjson.loads(self._path.read_bytes())
            return Known(
                {_text(name): Hold(int(held["since_ns"]), _text(held["why"])) for name, held in left["held"].items()},
                {
                    _text(name): Acknowledged(int(by["at_ns"]), _text(by["who"]), _text(by["address"]))
                    for name, by in left["acknowledged"].items()
                },
            )
        except (FileNotFoundError, NotADirectoryError):
            return Known()
        except OSError as error:
            trouble = error.strerror or str(error)
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
            trouble = "it is damaged"
        _log.error(
            "the line is held until that is acknowledged: what held it is not known: %s: %s", self._path, trouble
        )
        return Known({UNKNOWN: Hold(time.time_ns(), f"which alerts hold is not known, for {_FILE}: {trouble}")})

    def write(self, known: Known) -> None:
        """Have it hold all that is known; raises OSError."""
        document = {
            "held": {name: held._asdict() for name, held in known.held.items()},
            "acknowledged": {name: by._asdict() for name, by in [*known.acknowledged.items()][-_MOST_NAMES:]},
        }
        self._path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        with replacing(self._path, 0o644) as file:
            file.write(orjson.dumps(document))

    def remove(self) -> None:
        """Have it hold nothing."""
        self._path.unlink(missing_ok=True)


class Holds:
    """Reads and changes what holds; for all threads."""

    def __init__(self, heirloom: Heirloom, state_dir: Path) -> None:
        self._heirloom = heirloom
        self._words = heirloom.words
        self._file = _HoldsFile(state_dir)
        self._lock = threading.Lock()
        self._read_at = (0, "")  # the name, and the count of changes that it was read at
        self._known_at: tuple[int, Known] = (-1, Known())

    @property
    def name(self) -> str:
        """The alert that holds, the one that has for longest; '' where frames go their way. For each frame."""
        return self._name() if self._words[_HOLDS] else ""

    @property
    def known(self) -> Known:
        """All that hold, and who has acknowledged which last; read again where it has changed."""
        changes = self._words[_CHANGES]
        if self._known_at[0] != changes:
            self._known_at = (changes, self._file.read())
        return self._known_at[1]

    def begin(self, *, inherited: bool) -> None:
        """Hold what was held; also what the server before does, where its words were inherited. In the supervisor."""
        with self._changing():
            known = self._file.read()
            if inherited and self._words[_HOLDS] and not known.held:  # it has another state folder
                known.held[self._name()] = Hold(time.time_ns(), "")
                with suppress(OSError):
                    self._write(known)
            self._set(known)

    def settle(self) -> None:
        """Make the words what the file says where somebody died while changing them. In the supervisor."""
        if not self._words[_UNDER_WAY]:
            return
        with suppress(TimeoutError), self._changing(0):
            if self._words[_UNDER_WAY]:
                self._set(self._file.read())

    def hold(self, name: str, why: str) -> bool:
        """Hold the line; whether that will outlast this server: the line is held all the same."""
        try:
            with self._changing():
                known = self._file.read()
                known.held.setdefault(name, Hold(time.time_ns(), why[:_MOST_CHARS]))
                saved = True
                try:
                    self._write(known)
                except OSError as error:
                    _log.error("that %s holds the line will not outlast this server: %s", name, error)
                    saved = False
                self._set(known)
        except TimeoutError as error:
            _log.error("that %s holds the line cannot be said: %s; it is tried again", name, error)
            return False
        return saved

    def acknowledge(self, name: str, who: str, address: str) -> bool:
        """Note who has acknowledged an alert; it holds no more. Whether it did; raises HoldNotKept."""
        try:
            with self._changing():
                known = self._file.read()
                held = known.held.pop(name, None) is not None
                held |= self._words[_HOLDS] > 0 and self._name() == name
                known.acknowledged.pop(name, None)  # the newest stands last
                known.acknowledged[name] = Acknowledged(time.time_ns(), who[:_MOST_CHARS], address[:_MOST_CHARS])
                try:
                    self._write(known)
                except OSError:
                    if known.held:
                        raise
                    self._file.remove()  # a full disk has room for that
                    self._words[_UNDER_WAY] = 1
                self._set(known)
        except OSError as error:
            why = error.strerror or str(error)
            raise HoldNotKept(f"that {name} is acknowledged could not be saved, so it stays as it is: {why}") from None
        return held

    def _name(self) -> str:
        changes, name = self._words[_CHANGES], self._read_at[1]
        if changes % 2 == 0 and changes != self._read_at[0]:
            name = bytes(self._heirloom.hold_name).rstrip(b"\0").decode("ascii", "replace")
            if self._words[_CHANGES] == changes:
                self._read_at = (changes, name)
        return name or UNKNOWN

    @contextmanager
    def _changing(self, patience_s: float | None = None) -> Iterator[None]:
        """Be the only one who changes it, of all threads and processes; raises TimeoutError."""
        patience_s = _PATIENCE_S if patience_s is None else patience_s
        if not self._lock.acquire(timeout=patience_s):
            raise TimeoutError("another request has been at it for too long")
        try:
            with self._heirloom.locked(patience_s, _LOCK_BYTE):
                yield
        finally:
            self._lock.release()

    def _write(self, known: Known) -> None:
        self._words[_UNDER_WAY] = 1
        try:
            self._file.write(known)
        except OSError:
            self._words[_UNDER_WAY] = 0
            raise

    def _set(self, known: Known) -> None:
        name = min(known.held, key=lambda one: known.held[one].since_ns, default="")
        changes = self._words[_CHANGES] | 1
        self._words[_CHANGES] = changes
        place = self._heirloom.hold_name
        place[:] = name.encode("ascii", "replace")[: len(place)].ljust(len(place), b"\0")
        self._words[_HOLDS] = len(known.held)
        self._words[_CHANGES] = changes + 1
        self._words[_UNDER_WAY] = 0


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a text was expected")
    return value
