"""Keeping pictures: one thread copies frames out of their slots at once, another makes files of them and writes them.

Who writes records waits for neither: it asks now and then what has become of pictures and has it written behind the
records. A follower of its own is at work here, and says that it is done with a frame only once that is in the database:
a recorder that is killed begins behind it, and the frames that have gone meanwhile are known as lost then.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from service.history.pictures.folder import file_of
from service.history.pictures.outcomes import Outcome, Outcomes

if TYPE_CHECKING:
    from service.history.pictures.folder import PictureFolder
    from service.history.plan import PicturesPlan
    from service.results.follow import Follower
    from service.results.pictures import Sent
    from service.results.record import Record
    from workers.pool.job import Job

_log = logging.getLogger(__name__)

_HELD_BYTES = 128 << 20  # twenty raw frames of 1920x1024, or hundreds of a camera's JPEGs
_FOR_URGENT = 4  # of so much one part is left to frames that shall not be missed
_SLEEP_S = 0.5
_LAST_S = 1.5  # to write what is held when the server ends
_SAY_S = 60.0
_SAVE = b'"save":true'

NOBODY = "the recorder was not there yet"
NO_SLOT = "no slot was left for it to stay in (kept_slots)"
GONE = "it was gone before it could be copied"
TOO_FAST = "pictures came faster than they could be written"
NO_ROOM = "the disk has no more room than is to stay free (free_disk_mib)"
ENDED = "the server ended before it was written"
FAULT = "a fault of ours"


class Kept(Protocol):
    """A file's content, and what it is; see workers/pictures/kept.py."""

    @property
    def content(self) -> bytes:
        """Its bytes."""

    @property
    def ending(self) -> str:
        """That of its name."""

    @property
    def about(self) -> tuple[str, int | None, int | None, str | None]:
        """Its media type, width and height in pixels as far as they are known, and the pixel format of a raw frame."""


# says what a frame is kept as
Form: TypeAlias = "Callable[[Job, bytes], Kept]"


class _Held(NamedTuple):
    record: Record
    sent: Sent


class Keeping:
    """The two threads; `outcomes` is what they leave for who writes records.

    `make_form` makes what says as what a frame is kept; it may take a while.
    """

    def __init__(
        self, follower: Follower, folder: PictureFolder, plan: PicturesPlan, make_form: Callable[[], Form]
    ) -> None:
        self._follower = follower
        self._folder = folder
        self._plan = plan
        self._make_form = make_form
        self._changed = threading.Condition()
        self._held: deque[_Held] = deque()
        self._is_ending = self._has_read_all = False
        self._said_at_s = float("-inf")
        self.outcomes = Outcomes(follower.cursors, self._forget, follower.done)
        self.held_bytes = 0
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._copy_all, self._write_all)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Write what is held, as far as there is time; the rest is lost, and known as that."""
        self._is_ending = True
        self._follower.rouse()
        until_s = time.monotonic() + _LAST_S
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, until_s - time.monotonic()))
        with self._changed:
            while self._held:
                self._lose(self._held.popleft().record, ENDED)

    def why(self, record: Record) -> str:
        """Why the picture of a frame is to be kept: nok, save, all or nth; empty where it is not."""
        if record.head.verdict is None:
            return ""
        if self._plan.nok and record.head.verdict is False:
            return "nok"
        if self._plan.nok and _SAVE in record.context and (record.known or {}).get("save"):
            return "save"
        if self._plan.all:
            return "all"
        if not self._follower.wants(record):
            return ""
        return "nth" if self._plan.every else "save"  # of a context that was left out its front knew

    def _copy_all(self) -> None:
        """The first thread."""
        follower = self._follower
        try:
            while follower.behind or not (self._is_ending or follower.is_over):
                follower.wait(_SLEEP_S)
                while follower.behind:
                    wanted = [record for record in follower.read() if self.why(record)]
                    self.outcomes.expect(wanted, follower.cursors)
                    for record in wanted:
                        self._copy(record)
        except Exception:  # noqa: BLE001 - records go on
            _log.exception("a fault of ours: no more pictures are kept until the recorder is started again")
            follower.want_pictures(0)
        finally:
            with self._changed:
                self._has_read_all = True
                self._changed.notify()

    def _copy(self, record: Record) -> None:
        if why_not := self._why_not(record):
            self._follower.let_go(record)
            self._lose(record, why_not)
        elif (sent := self._follower.picture(record)) is None:
            self._lose(record, GONE)
        else:
            with self._changed:
                self._held.append(_Held(record, sent))
                self.held_bytes += len(sent.frame)
                self._changed.notify()

    def _why_not(self, record: Record) -> str:
        if record.head.picture is None:
            return NO_SLOT if self._follower.wants(record) else NOBODY
        room = _HELD_BYTES
        if self.why(record) in {"all", "nth"}:
            room -= room // _FOR_URGENT
        return TOO_FAST if self._held and self.held_bytes + record.head.frame_bytes > room else ""

    def _write_all(self) -> None:
        """The second thread."""
        form = self._make_form()
        while True:
            with self._changed:
                while not self._held:
                    if self._has_read_all:
                        return
                    self._changed.wait()
                held = self._held.popleft()
            outcome = self._written(held, form)
            with self._changed:
                self.held_bytes -= len(held.sent.frame)
            self.outcomes.add(outcome)

    def _written(self, held: _Held, form: Form) -> Outcome:
        outcome, size_bytes = Outcome.of(held.record, self.why(held.record)), len(held.sent.frame)
        try:
            # who writes records makes room once less is free than is to stay so; this is how far it may be behind
            if self._folder.free_bytes() - size_bytes >= self._plan.free_bytes // 2:
                return self._kept(outcome, held, form)
            self._say(NO_ROOM)
            return outcome._replace(lost=NO_ROOM)
        except OSError as error:
            self._say(str(error))
            return outcome._replace(lost=f"it could not be written: {error.strerror or error}")
        except Exception:  # noqa: BLE001 - whatever it was, others are to be kept
            _log.exception("a fault of ours: the picture of frame %s is lost", held.record.id)
            return outcome._replace(lost=FAULT)

    def _kept(self, outcome: Outcome, held: _Held, form: Form) -> Outcome:
        record = held.record
        kept = form(held.sent.job, held.sent.frame)
        file = file_of(record.id, record.head.came_ns, kept.ending)
        self._folder.write(file, kept.content)
        media_type, width, height, pixel_format = kept.about
        known = outcome._replace(file=file, media_type=media_type, bytes=len(kept.content))
        return known._replace(width=width, height=height, pixel_format=pixel_format)

    def _say(self, trouble: str) -> None:
        if time.monotonic() - self._said_at_s >= _SAY_S:
            self._said_at_s = time.monotonic()
            _log.error("a picture is lost: %s; it is tried again with each", trouble)

    def _lose(self, record: Record, lost: str) -> None:
        self.outcomes.add(Outcome.of(record, self.why(record))._replace(lost=lost))

    def _forget(self, outcome: Outcome) -> None:
        """Take the file of one away that could not be recorded for too long."""
        try:
            if outcome.file:
                self._folder.remove(outcome.file)
        except OSError as error:
            _log.error("a picture without a frame is left behind: %s", error)
