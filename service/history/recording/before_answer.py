"""The recorder's work where answers wait for it: all records that wait are committed together, and then told so.

The ring is read beside that: it has errors and refusals, and how each frame ended. A frame that was on record, and
whose client had an error all the same, for its time was over or its answer could not be made, is an error in the end.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from service.history.before_answer.asks import Key, Said
from service.history.recording.recording import BATCH_S, Recording
from service.history.recording.trying import Away, GivenUp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from service.history.before_answer.hearing import Asked, Hearing
    from service.history.writing.store import Store, Written
    from service.results.record import Record

_log = logging.getLogger(__name__)

_ASKED_AT_ONCE = 200  # of each front
_RING_AT_ONCE = 100  # answers wait for as long as these take
_PATIENCE_S = 1.0  # of answers, for a database that was well a moment ago
_KNOWN = 20_000
_OK = 200


class RecordingBeforeAnswer(Recording):
    """For one thread; `hearing` is where answers wait."""

    def __init__(self, hearing: Hearing, *known: Any, **options: Any) -> None:
        super().__init__(*known, **options)
        self._hearing = hearing
        self._known: dict[Key, None] = {}  # what was written a moment ago, the oldest first
        self._ring_at_s = 0.0
        self._patience_s = _PATIENCE_S
        self._is_held = False

    def _turn(self) -> None:
        self._hearing.wait(self._ring_at_s - time.monotonic())
        self._record(self._hearing.take(_ASKED_AT_ONCE))
        if time.monotonic() >= self._ring_at_s:
            self._follower.wait(0)  # whether the server has ended
            self._write_batch(_RING_AT_ONCE)
            self._tend_pictures()
            self._keep_house()
            self._ring_at_s = 0.0 if self._follower.behind else time.monotonic() + BATCH_S

    def _finish(self) -> None:
        while asked := self._hearing.take(_ASKED_AT_ONCE):
            self._record(asked)
        super()._finish()

    def _record(self, asked: list[Asked]) -> None:
        if not asked:
            return
        records = [one.record for one in asked]
        try:
            written = self._while_they_wait(lambda store: store.write_asked(records))
        except GivenUp:
            self._hearing.answer(asked, Said.AWAY)
            raise
        except Away:
            self._hearing.answer(asked, Said.AWAY)
        except Exception:  # noqa: BLE001 - whatever it was, all others are to be recorded
            if len(asked) > 1:  # one of them cannot be written: all others can
                for one in asked:
                    self._record([one])
                return
            _log.exception("a fault of ours: frame %s cannot be recorded, and has no answer", records[0].id)
            self._hearing.answer(asked, Said.FAULT)
        else:
            self._hearing.answer(asked, Said.RECORDED)
            self._count(written)
            self._remember(one.key for one in asked)

    def _while_they_wait(self, step: Callable[[Store], Written]) -> Written:
        self._is_held = True
        patience_s, self._patience_s = self._patience_s, 0.0
        try:
            written = self._try(step, patience_s)
        finally:
            self._is_held = False
        self._patience_s = _PATIENCE_S
        return written

    def _pause(self, pause_s: float) -> None:
        """Nobody waits for a database that is away: who asks meanwhile is told so at once."""
        if self._is_held:
            super()._pause(pause_s)
            return
        until_s = time.monotonic() + pause_s
        while (left_s := until_s - time.monotonic()) > 0:
            self._hearing.wait(left_s)
            self._hearing.answer(self._hearing.take(_ASKED_AT_ONCE), Said.AWAY)

    def _remember(self, keys: Iterable[Key]) -> None:
        self._known.update(dict.fromkeys(keys))
        while len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]

    def _is_there(self, record: Record) -> bool:
        return record.head.status == _OK and Key(record.head.came_ns, record.head.slot) in self._known
