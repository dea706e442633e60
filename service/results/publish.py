"""What became of a frame is told here, in its front, before the answer leaves: what was answered is in the ring.

After the answer it would cost the client nothing, and a front that is killed in between would have let a part pass that
nobody knows of. It is a few microseconds: the context is copied as it lies in the slot, and what a camera says with
each frame is written once.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Protocol

import orjson

from service.errors import FAULT, STATUS
from service.results.documents import essence_of, places_in
from service.results.record import (
    MOST_CONTEXT_BYTES,
    MOST_TOLD_BYTES,
    Head,
    Kind,
    Picture,
    Times,
    about_bytes,
    error_bytes,
    with_request,
)
from service.results.refusals import Refusals
from workers.errors import FramemillError, InternalError
from workers.memory.control import Control

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.results.ring import RingWriter
    from service.results.seats import Sleepers
    from service.results.story import Story
    from workers.pool.lease import Lease
    from workers.pool.reply import Reply

_log = logging.getLogger(__name__)

_OK = 200
_SECOND_NS = 1_000_000_000
_BUSY = 429
_NOT_LET_IN = frozenset({401, 403, _BUSY})
_LOST = "the result of a frame could not be kept"
_NOTHING = memoryview(b"")
_LARGEST_READ = 1 << 20  # a context that is left out is read for what is kept of it, if it is no larger
_NO_SLOT = 0xE0  # and the front's number, in the place of a slot: no slot has such a one


class Publisher(Protocol):
    """Told of each frame once, with its final status."""

    def before(self, story: Story, reply: Reply, lease: Lease) -> None:
        """See to what must be so before a frame may have its answer; raises NotRecorded."""

    def answered(self, story: Story, reply: Reply, lease: Lease) -> None:
        """Tell of a frame that has its answer, which is there as long as `lease` is held."""

    def failed(self, story: Story, error: Exception, *, is_refused: bool = False) -> None:
        """Tell of a frame that has an error instead; `is_refused` where it was not begun."""

    def call_time(self) -> None:
        """Tell of refusals of a second that is over. Called now and then."""

    def end(self) -> None:
        """Tell of all refusals."""


class NoPublisher:
    """Where no results are kept (results_mib = 0)."""

    def before(self, story: Story, reply: Reply, lease: Lease) -> None:
        """See Publisher."""

    def answered(self, story: Story, reply: Reply, lease: Lease) -> None:
        """See Publisher."""

    def failed(self, story: Story, error: Exception, *, is_refused: bool = False) -> None:
        """See Publisher."""

    def call_time(self) -> None:
        """See Publisher."""

    def end(self) -> None:
        """See Publisher."""


class RingPublisher:
    """Writes to the ring of its front; for all threads. `control` are the words of the control page.

    `count_left_out` counts a context that was too large to be kept.
    """

    def __init__(
        self, ring: RingWriter, sleepers: Sleepers, control: memoryview, count_left_out: Callable[[], None]
    ) -> None:
        self._ring = ring
        self._sleepers = sleepers
        self._control = control
        self._count_left_out = count_left_out
        self._refusals = Refusals()
        self._lock = threading.Lock()

    def before(self, story: Story, reply: Reply, lease: Lease) -> None:
        """See Publisher: an answer waits for nothing here."""

    def answered(self, story: Story, reply: Reply, lease: Lease) -> None:
        """See Publisher; whatever speaks against it costs the record, never the answer."""
        try:
            self.append(self.packed(story, reply, lease))
        except Exception:  # noqa: BLE001 - whatever it was, the frame has its answer
            _log.exception(_LOST)

    def packed(self, story: Story, reply: Reply, lease: Lease) -> bytes:
        """Return the record of a frame that has its answer; it stays where it is for who wants its picture."""
        context = reply.context
        picture, told, left_out = None, b"", 0
        wanted = self._sleepers.who_wants(reply.verdict, context)
        if wanted.by and (stays := lease.stay(wanted.by, is_urgent=wanted.is_urgent)):
            picture = Picture(lease.slot, stays)
        if len(context) > MOST_CONTEXT_BYTES:
            told, left_out, context = _essence(context), len(context), _NOTHING
            self._count_left_out()
        took_ns = time.monotonic_ns() - story.begun_ns
        times = Times(story.waiting_ns, story.receiving_ns, *reply.timings, took_ns)
        flow = self._control[Control.FLOW_VERSION]
        head = Head(
            story.came_ns,
            story.slot,
            _OK,
            reply.verdict,
            flow,
            story.frame_bytes,
            times,
            picture,
            left_out,
            wanted=wanted.by,
        )
        about = with_request(story.about, story.trace.request_id, story.input_revision, story.held)
        return head.pack(about, told, context)

    def failed(self, story: Story, error: Exception, *, is_refused: bool = False) -> None:
        """See Publisher; the same holds."""
        try:
            self._tell_failed(story, error, is_refused=is_refused)
        except Exception:  # noqa: BLE001 - as above
            _log.exception(_LOST)

    def _tell_failed(self, story: Story, error: Exception, *, is_refused: bool) -> None:
        known = error if isinstance(error, FramemillError) else InternalError(FAULT)
        status, now_ns = STATUS.get(known.code, 500), time.time_ns()
        with self._lock:
            over = self._over(now_ns)
            counted = is_refused or status in _NOT_LET_IN
            if not counted and story.slot < 0:
                counted = not self._refusals.may_tell(now_ns)
            if counted:
                self._refusals.count(story.client, status, now_ns)
        if over is not None:
            self._tell_refusals(*over)
        if counted:
            return
        came_ns, slot = (story.came_ns, story.slot) if story.slot >= 0 else (now_ns, _NO_SLOT + self._ring.front)
        times = Times(story.waiting_ns, story.receiving_ns, took_ns=time.monotonic_ns() - story.begun_ns)
        head = Head(came_ns, slot, status, None, self._control[Control.FLOW_VERSION], story.frame_bytes, times)
        about = story.about or about_bytes(story.client, story.client, "", "")
        said = error_bytes(known.code, known.message)
        self.append(head.pack(with_request(about, story.trace.request_id, story.input_revision), said, b""))

    def call_time(self) -> None:
        """See Publisher."""
        self._tell_due(time.time_ns())

    def end(self) -> None:
        """See Publisher."""
        self._tell_due(time.time_ns() + _SECOND_NS)

    def _tell_due(self, now_ns: int) -> None:
        with self._lock:
            over = self._over(now_ns)
        if over is not None:
            self._tell_refusals(*over)

    def _over(self, now_ns: int) -> tuple[int, bytes] | None:
        return self._refusals.take() if self._refusals.is_over(now_ns) else None

    def _tell_refusals(self, second_ns: int, told: bytes) -> None:
        head = Head(second_ns, _NO_SLOT + self._ring.front, _BUSY, kind=Kind.REFUSALS)
        self.append(head.pack(b"", told, b""))

    def append(self, packed: bytes) -> None:
        """Have a record in the ring."""
        self._ring.append(packed)
        self._sleepers.wake()


def _essence(context: memoryview) -> bytes:
    if len(context) > _LARGEST_READ:
        return b""
    try:
        known = orjson.loads(context)
        essence = essence_of(known)
        told = orjson.dumps({**essence, "places": places_in(known)})
        told = told if len(told) <= MOST_TOLD_BYTES else orjson.dumps(essence)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return b""
    return told if len(told) <= MOST_TOLD_BYTES else b""
