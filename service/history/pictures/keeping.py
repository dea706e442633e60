"""Keeping pictures: one thread copies frames out of their slots at once, another makes files of them and writes them.

Who writes records waits for neither: it asks now and then what has become of pictures and has it written behind the
records. A follower of its own is at work here, and says that it is done with a frame only once that is in the database:
a recorder that is killed begins behind it, and what had become of no frame is known as lost then.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from service.history.pictures.folder import file_of
from service.history.pictures.kept_form import KeptForm
from service.results.seats import Wants

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.history.pictures.folder import PictureFolder
    from service.history.plan import PicturesPlan
    from service.results.follow import Follower
    from service.results.pictures import Sent
    from service.results.record import Record

_log = logging.getLogger(__name__)

_HELD_BYTES = 128 << 20  # twenty raw frames of 1920x1024, or a second of camera JPEGs at any rate
_FOR_URGENT = 4  # of so much one part is left to frames that shall not be missed
_MOST_UNSETTLED = 50_000  # outcomes while the database is away: more than the server's memory has records
_AT_ONCE = 64
_SLEEP_S = 0.5
_LAST_S = 1.5  # to write what is held when the server ends
_SAY_S = 60.0

NO_SLOT = "no slot was left for it to stay in (kept_slots)"
GONE = "it was gone before it could be copied"
TOO_FAST = "pictures came faster than they could be written"
NO_ROOM = "the disk has no more room than is to stay free (free_disk_mib)"
ENDED = "the server ended before it was written"


class Outcome(NamedTuple):
    """What became of a picture: its `file`, or why it was `lost`; and of which record."""

    front: int
    sequence: int
    came_ns: int
    slot: int
    file: str | None
    lost: str | None = None
    media_type: str | None = None
    bytes: int = 0
    width_px: int | None = None
    height_px: int | None = None
    pixel_format: str | None = None


class _Held(NamedTuple):
    record: Record
    sent: Sent


class Keeping:
    """The two threads, and what they leave for who writes records."""

    def __init__(self, follower: Follower, folder: PictureFolder, plan: PicturesPlan) -> None:
        self._follower = follower
        self._folder = folder
        self._plan = plan
        self._form = KeptForm(plan.format, plan.quality)
        self._changed = threading.Condition()
        self._held: deque[_Held] = deque()
        self._outcomes: deque[Outcome] = deque()
        self._unsettled: set[tuple[int, int]] = set()  # read, and not in the database yet
        self._read_to = follower.cursors
        self._is_ending = self._has_read_all = False
        self._said_at_s = float("-inf")
        self.held_bytes = 0
        self.dropped = 0  # outcomes that nobody has taken for too long; their files are gone, too
        self.free_bytes = 0
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._copy_all, self._write_all)]

    def start(self) -> None:
        """Begin."""
        plan = self._plan
        wants = (Wants.NOK | Wants.SAVE) * plan.nok | Wants.OK * plan.all | Wants.EVERY * (plan.every > 0)
        self._follower.want_pictures(wants, max(1, plan.every))
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Write what is held, as far as there is time; the rest is lost, and known as that."""
        self._is_ending = True
        self._follower.rouse()
        until_s = time.monotonic() + _LAST_S
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        with self._changed:
            while self._held:
                self._lose(self._held.popleft().record, ENDED)

    def why(self, record: Record) -> str:
        """Why the picture of a frame is to be kept: nok, save, all or nth; empty where it is not."""
        if not self._follower.wants(record):
            return ""
        if self._plan.nok and record.head.verdict is False:
            return "nok"
        if self._plan.nok and asks_for_it(record):
            return "save"
        if self._plan.all:
            return "all"
        return "nth" if self._plan.every else "save"  # of a context that was left out nobody knows any more

    def take(self) -> list[Outcome]:
        """Return what has become of pictures since; `settled` is to be told once it is in the database."""
        with self._changed:
            taken = [*self._outcomes]
            self._outcomes.clear()
        return taken

    def settled(self, outcomes: Iterable[Outcome]) -> None:
        """Be told what is in the database: one that comes after this one need not look at it again."""
        with self._changed:
            self._unsettled.difference_update((one.front, one.sequence) for one in outcomes)
            cursors = dict(self._read_to)
            for front, sequence in self._unsettled:
                cursors[front] = min(cursors[front], sequence - 1)
        self._follower.done(cursors)

    def _copy_all(self) -> None:
        """The first thread."""
        try:
            while not ((self._is_ending or self._follower.is_over) and not self._follower.behind):
                self._follower.wait(_SLEEP_S)
                while self._follower.behind:
                    for record in self._read():
                        self._copy(record)
        except Exception:
            _log.exception("a fault of ours: no more pictures are kept until the recorder is started again")
            self._follower.want_pictures(0)
        finally:
            with self._changed:
                self._has_read_all = True
                self._changed.notify()

    def _read(self) -> list[Record]:
        records = self._follower.read(_AT_ONCE)
        wanted = [record for record in records if self._follower.wants(record)]
        with self._changed:
            self._unsettled.update((record.front, record.sequence) for record in wanted)
            self._read_to = self._follower.cursors
        return wanted

    def _copy(self, record: Record) -> None:
        why_not = self._why_not(record)
        if why_not:
            self._follower.let_go(record)
        sent = None if why_not else self._follower.picture(record)
        with self._changed:
            if sent is None:
                self._lose(record, why_not or GONE)
                return
            self._held.append(_Held(record, sent))
            self.held_bytes += len(sent.frame)
            self._changed.notify()

    def _why_not(self, record: Record) -> str:
        if record.head.picture is None:
            return NO_SLOT
        room = _HELD_BYTES
        if self.why(record) in {"all", "nth"}:
            room -= room // _FOR_URGENT
        if self._held and self.held_bytes + record.head.frame_bytes > room:
            return TOO_FAST
        return ""

    def _write_all(self) -> None:
        """The second thread."""
        while True:
            with self._changed:
                while not self._held:
                    if self._has_read_all:
                        return
                    self._changed.wait()
                held = self._held.popleft()
            outcome = self._write(*held)
            with self._changed:
                self.held_bytes -= len(held.sent.frame)
                self._leave(outcome)

    def _write(self, record: Record, sent: Sent) -> Outcome:
        lost, trouble = "", ""
        try:
            self.free_bytes = self._folder.free_bytes()
            # who writes records makes room once less is free than is to stay so; this is how far it may be behind
            if self.free_bytes - len(sent.frame) < self._plan.free_bytes // 2:
                lost = trouble = NO_ROOM
            else:
                return self._kept(record, sent)
        except OSError as error:
            lost, trouble = f"it could not be written: {error.strerror or error}", str(error)
        except Exception:  # noqa: BLE001 - whatever it was, others are to be kept
            _log.exception("a fault of ours: the picture of frame %s is lost", record.id)
            lost = "a fault of ours"
        if trouble and time.monotonic() - self._said_at_s >= _SAY_S:
            self._said_at_s = time.monotonic()
            _log.error("pictures are not kept: %s; it is tried again with each", trouble)
        return _lost(record, lost)

    def _kept(self, record: Record, sent: Sent) -> Outcome:
        kept = self._form.of(sent.job, sent.frame)
        file = file_of(record.id, record.head.came_ns, kept.ending)
        self._folder.write(file, kept.content)
        about = (kept.media_type, len(kept.content), kept.width_px, kept.height_px, kept.pixel_format)
        return Outcome(record.front, record.sequence, record.head.came_ns, record.head.slot, file, None, *about)

    def _lose(self, record: Record, why: str) -> None:
        self._leave(_lost(record, why))

    def _leave(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        if len(self._outcomes) > _MOST_UNSETTLED:
            dropped = self._outcomes.popleft()
            self._unsettled.discard((dropped.front, dropped.sequence))
            self.dropped += 1
            if dropped.file:
                try:
                    self._folder.remove(dropped.file)
                except OSError as error:
                    _log.error("a picture without a frame is left behind: %s", error)


def asks_for_it(record: Record) -> bool:
    """Whether the flow asks for the picture."""
    return bool((record.known or {}).get("save"))


def _lost(record: Record, why: str) -> Outcome:
    return Outcome(record.front, record.sequence, record.head.came_ns, record.head.slot, None, why)
