"""Takes messages to their receiver, one after another, with growing pauses while it is away: a thread of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from service.alerts.webhook import Message, NotDelivered

_log = logging.getLogger(__name__)

_WITHIN_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 300.0
_MOST_TRIES = 50  # four hours, nearly: longer than any restart of a receiver, and a shift that looks for it
_MOST_WAITING = 100


class Courier:
    """Keeps at most a hundred messages: where more wait the oldest is given up. `send` raises NotDelivered."""

    def __init__(
        self,
        send: Callable[[Message, float], None],
        waiting: Iterable[Message] = (),
        told: dict[str, Any] | None = None,
    ) -> None:
        self._send = send
        self._waiting = deque(waiting)
        self._told = {"sent": 0, "given_up": 0, "failures": 0, "error": "", **(told or {})}
        self._changed = threading.Condition()
        self._must_end = False
        self._has_ended = False
        self.changes = 0
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)
        self._thread.start()

    def take(self, message: Message) -> None:
        """Deliver it, sooner or later."""
        with self._changed:
            self._waiting.append(message)
            if len(self._waiting) > _MOST_WAITING:
                self._give_up(self._waiting[0], "too many wait")
            self._note()

    @property
    def waiting(self) -> list[Message]:
        """What is not delivered yet."""
        with self._changed:
            return [*self._waiting]

    @property
    def told(self) -> dict[str, Any]:
        """What became of messages, as counts, and why the last one that failed did; '' once one has gone well."""
        with self._changed:
            return {**self._told, "waiting": len(self._waiting)}

    def end(self, patience_s: float) -> None:
        """Try what waits once more at once, and end; what is left is lost, and counted in the log."""
        give_up_s = time.monotonic() + patience_s
        with self._changed:
            self._must_end = True
            self._note()
            self._changed.wait_for(lambda: not self._waiting or self._has_ended, max(0, give_up_s - time.monotonic()))
            if self._waiting:
                _log.error("%d messages of alerts were not delivered: %s", len(self._waiting), self._told["error"])

    def _run(self) -> None:
        tries, is_last = 0, False
        while not (is_last and tries):
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                message, is_last = self._waiting[0], self._must_end
            try:
                self._send(message, _WITHIN_S)
            except NotDelivered as error:
                tries = self._failed(message, error, tries + 1)
            except Exception as error:  # noqa: BLE001 - whatever it was, the next one is tried
                _log.exception("a message of an alert met a fault of ours")
                tries = self._failed(message, NotDelivered(f"a fault of ours: {error!r}"), tries + 1)
            else:
                tries = 0
                with self._changed:
                    self._told |= {"sent": self._told["sent"] + 1, "error": ""}
                    self._drop(message)
                    self._note()
        with self._changed:
            self._has_ended = True
            self._note()

    def _failed(self, message: Message, error: NotDelivered, tries: int) -> int:
        """Note a try that failed and wait for the next; returns how many that message has had."""
        with self._changed:
            if not self._told["error"]:
                _log.warning("a message of an alert could not be delivered: %s; it is tried again", error)
            self._told |= {"failures": self._told["failures"] + 1, "error": str(error)}
            if error.is_unwanted or tries >= _MOST_TRIES:
                self._give_up(message, str(error))
                tries = 0
            self._note()
            pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(tries - 1, 20)) if tries else 0
            self._changed.wait_for(lambda: self._must_end or message not in self._waiting, pause_s)
            return tries if message in self._waiting else 0

    def _give_up(self, message: Message, why: str) -> None:
        _log.error("a message of an alert was given up: %s", why)
        self._told["given_up"] += 1
        self._drop(message)

    def _drop(self, message: Message) -> None:
        if message in self._waiting:
            self._waiting.remove(message)

    def _note(self) -> None:
        self.changes += 1
        self._changed.notify_all()
