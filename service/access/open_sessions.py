"""Sessions of the page that are open, a file each in the state folder: whoever ends one ends it in all fronts at once.

A session whose file cannot be written has none: it ends with its time or its key, as all sessions do.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import orjson

from service.safe_files import new_file

_log = logging.getLogger(__name__)

_FOLDER = "sessions"
_ID = re.compile(r"[0-9a-f]{16}")
NO_FILE = "0" * 16
_MOST_OF_ONE = 50  # of one client; a program that comes with its key each time has no use for any
_SEEN_EVERY_S = 30
_AGENT_CHARS = 200


class Session(NamedTuple):
    """Who signed in, from where, with which browser, when; `seen_ns` is when it was used last, to half a minute."""

    id: str
    who: str
    address: str
    agent: str
    begun_ns: int
    seen_ns: int


class OpenSessions:
    """`seal` tells the sessions of these fronts, and of those that follow them, from older ones, which are no more."""

    def __init__(self, state_dir: Path, seal: str) -> None:
        self._folder = state_dir / _FOLDER
        self._seal = seal

    def begin(self, who: str, address: str, agent: str, lasts_s: int) -> str:
        """Note a session; returns its id."""
        session = secrets.token_hex(8)
        known = {
            "seal": self._seal,
            "who": who,
            "address": address,
            "agent": agent.encode("utf-8", "replace").decode()[:_AGENT_CHARS],
            "begun_ns": time.time_ns(),
            "until_s": time.monotonic() + lasts_s,
        }
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_room(who)
            with new_file(self._folder / session, 0o600) as file:
                file.write(orjson.dumps(known))
        except OSError as error:
            _log.warning("a session of the page cannot be noted, so it cannot be ended: %s", error)
            return NO_FILE
        return session

    def is_open(self, session: str) -> bool:
        """Whether nobody has ended it; notes now and then that it is in use."""
        if session == NO_FILE:
            return True
        if not _ID.fullmatch(session):
            return False
        path = self._folder / session
        try:
            if time.time() - path.stat().st_mtime > _SEEN_EVERY_S:
                os.utime(path)
        except FileNotFoundError:
            return False
        except OSError as error:  # a disk that is away lets nobody in whose session may have been ended
            _log.error("open sessions cannot be read: %s", error)
            return False
        return True

    def end(self, session: str) -> bool:
        """End it, in all fronts; whether there was one."""
        if not _ID.fullmatch(session):
            return False
        try:
            (self._folder / session).unlink()
        except OSError:
            return False
        return True

    def all(self) -> list[Session]:
        """Return those that are open, the one that was used last first; what is over is tidied away."""
        return sorted(self._found(), key=lambda one: -one.seen_ns)

    def _found(self) -> Iterator[Session]:
        paths = [*self._folder.iterdir()] if self._folder.is_dir() else []
        for path in paths:
            if not _ID.fullmatch(path.name):
                continue
            try:
                known = orjson.loads(path.read_bytes())
                is_over = known["seal"] != self._seal or known["until_s"] < time.monotonic()
                said = (known["who"], known["address"], known["agent"], known["begun_ns"])
                session = Session(path.name, *said, path.stat().st_mtime_ns)
            except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
                is_over = True
            if is_over:
                with suppress(OSError):
                    path.unlink()
            else:
                yield session

    def _make_room(self, who: str) -> None:
        theirs = [session for session in self.all() if session.who == who]
        for session in theirs[_MOST_OF_ONE - 1 :]:
            self.end(session.id)
