"""The Process switch: whether frames are inspected. It holds across restarts and reaches all fronts at once.

Every front reads the same word at every request, and so do those of the server that follows (heirloom.py); the file
makes it last. Whoever throws it holds one lock, for all processes of both servers, writes the file, then the word. One
that is killed in between leaves a mark, and the supervisor makes the word what the file says.

A file that is there and cannot be read means off: somebody has thrown the switch, and nobody knows how. A line that
stands is seen at once; one that goes on although somebody switched it off may not be.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

import orjson

from service.safe_files import replacing
from workers.errors import SwitchNotKept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from service.access.heirloom import Heirloom

_log = logging.getLogger(__name__)

_FILE = "process.json"
_PATIENCE_S = 5.0  # for others that throw it: a disk may take its time
_PROCESS, _UNKNOWN, _UNDER_WAY = 1, 2, 3  # words of the heirloom


class Thrown(NamedTuple):
    """Who threw the switch ('' without a key), from which address, and when (CLOCK_REALTIME)."""

    who: str
    address: str
    at_ns: int


class ProcessSwitch:
    """Reads and throws the switch."""

    def __init__(self, heirloom: Heirloom, state_dir: Path) -> None:
        self._heirloom = heirloom
        self._words = heirloom.words
        self._file = state_dir / _FILE
        self._lock = threading.Lock()

    @property
    def is_on(self) -> bool:
        """Whether frames are inspected now."""
        return self._words[_PROCESS] == 1

    @property
    def why_off(self) -> str:
        """Why it is off, where nobody has switched it off; empty else."""
        if self.is_on or not self._words[_UNKNOWN]:
            return ""
        return f"how it was left is not known, for its file {_FILE} is damaged or cannot be read"

    @property
    def thrown(self) -> Thrown | None:
        """Who threw it last, and when; None where nobody did, or it is not known."""
        with suppress(OSError, orjson.JSONDecodeError, KeyError, TypeError):
            left = orjson.loads(self._file.read_bytes())
            thrown = Thrown(left["who"], left["address"], left["at_ns"])
            if left["process"] is self.is_on and isinstance(thrown.at_ns, int):
                return thrown
        return None

    def begin(self, *, inherited: bool) -> None:
        """Be as it was left; as the server before has it, where its word was inherited. In the supervisor."""
        with self._held():
            if not inherited:
                self._read()
            elif self._left()[0] is not self.is_on and not self._words[_UNKNOWN]:  # it has another state folder
                with suppress(OSError):
                    self._write(on=self.is_on)
                    self._set(on=self.is_on, unknown=False)

    def settle(self) -> None:
        """Make the word what the file says where somebody died while throwing the switch. In the supervisor."""
        if not self._words[_UNDER_WAY]:
            return
        with suppress(TimeoutError), self._held(0):
            if self._words[_UNDER_WAY]:
                self._read()

    def read_again(self) -> None:
        """Be as the file says: a server that shares no word with this one may have thrown the switch."""
        with self._held():
            self._read()

    def throw(self, *, on: bool, by: tuple[str, str] | None = None) -> None:
        """Write the file first, so that a switch that was thrown stays thrown; raises SwitchNotKept.

        `by` is who throws it, and from which address.
        """
        try:
            with self._held():
                self._write(on=on, by=by)
                self._set(on=on, unknown=False)
        except OSError as error:
            why = error.strerror or str(error)
            raise SwitchNotKept(f"the switch could not be saved, so it stays as it is: {why}") from None

    @contextmanager
    def _held(self, patience_s: float | None = None) -> Iterator[None]:
        """Be the only one who throws it, of all threads and processes; raises TimeoutError."""
        patience_s = _PATIENCE_S if patience_s is None else patience_s
        if not self._lock.acquire(timeout=patience_s):
            raise TimeoutError("another request has been at it for too long")
        try:
            with self._heirloom.locked(patience_s):
                yield
        finally:
            self._lock.release()

    def _write(self, *, on: bool, by: tuple[str, str] | None = None) -> None:
        self._words[_UNDER_WAY] = 1
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self._file, 0o644) as file:
                file.write(orjson.dumps({"process": on} | (_thrown_by(*by) if by else {})))
        except OSError:
            self._words[_UNDER_WAY] = 0
            raise

    def _set(self, *, on: bool, unknown: bool) -> None:
        self._words[_UNKNOWN] = int(unknown)
        self._words[_PROCESS] = int(on)
        self._words[_UNDER_WAY] = 0

    def _read(self) -> None:
        on, trouble = self._left()
        if trouble:
            _log.error("the Process switch stays off until it is switched on: %s: %s", self._file, trouble)
        self._set(on=on, unknown=bool(trouble))

    def _left(self) -> tuple[bool, str]:
        """How it was left, and what speaks against the file; on, where it was never thrown."""
        try:
            left = orjson.loads(self._file.read_bytes())["process"]
        except (FileNotFoundError, NotADirectoryError):
            return True, ""
        except OSError as error:
            return False, error.strerror or str(error)
        except (orjson.JSONDecodeError, KeyError, TypeError):
            left = None
        if not isinstance(left, bool):
            return False, 'the file was expected to be {"process": true} or {"process": false}'
        return left, ""


def _thrown_by(who: str, address: str) -> dict[str, object]:
    return {"who": who.encode("utf-8", "replace").decode(), "address": address, "at_ns": time.time_ns()}
