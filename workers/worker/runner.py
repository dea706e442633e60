"""Running one slot: claim it, do its job, leave the answer, wake the front. Shared by workers and the inline pool."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import cv2
import orjson

from workers.errors import FramemillError, InternalError, OutOfMemory
from workers.memory.claim import claim, unlock
from workers.memory.control import WorkerRow
from workers.memory.slot import Outcome, State, Word
from workers.pool.channel import signal_done
from workers.pool.job import Job, Task
from workers.worker.inspector import Answer, FrameMemory

if TYPE_CHECKING:
    from workers.admission.pace import Pace
    from workers.memory.global_data import GlobalData
    from workers.memory.slot import Header
    from workers.pool.channel import Descriptor
    from workers.told.witness import Witness
    from workers.worker.inspector import Inspector
    from workers.worker.newest import Newest

_log = logging.getLogger(__name__)


_NOTHING = Answer()
_NOTED_NS = 1_000_000


class Runner:
    """Runs the slots that descriptors name. `run_ms` is how long a frame may run at most."""

    def __init__(  # noqa: PLR0917 - a worker's own parts, as it makes them
        self,
        inspector: Inspector,
        newest: Newest,
        fd: int,
        done_fds: tuple[int, ...],
        row: memoryview,
        pace: Pace,
        run_ms: int,
        witness: Witness,
        global_data: GlobalData | None = None,
    ) -> None:
        self._witness = witness
        self._pace = pace
        self._noted_ns = 0
        self._run_ns = run_ms * 1_000_000
        self._inspector = inspector
        self._memory = newest.memory
        self._newest = newest
        self._fd = fd
        self._done_fds = done_fds
        self._row = row
        self._global_data = global_data

    def run(self, descriptor: Descriptor) -> None:
        """Do the job that `descriptor` names, unless it is stale or somebody else has it."""
        header = self._memory.headers[descriptor.slot]
        if not claim(self._fd, header, descriptor.generation):
            return
        self._row[WorkerRow.BUSY] = header.index + 1
        started_ns = header.words[Word.STARTED_NS]  # the claim has written it
        skipped = self._skip(header, started_ns)
        outcome, answer = (skipped, _NOTHING) if skipped else self._answer(header, started_ns)
        done_ns = time.monotonic_ns()
        # a frame's time is no silence
        self._row[WorkerRow.HEARD_NS] = done_ns
        header.leave_answer(started_ns, done_ns, outcome, *answer)
        answered = outcome is Outcome.ANSWERED and answer.verdict > 0
        if answered:
            # of frames that take no time, one in a while is enough to know
            if done_ns - self._noted_ns > _NOTED_NS:
                self._noted_ns = done_ns
                self._pace.add(done_ns - started_ns, done_ns)
        elif outcome is Outcome.REFUSED and self._ran_out(header, started_ns, done_ns):
            self._pace.add(done_ns - started_ns, done_ns)
        # unlocked before DONE: from then on the front may use the slot anew
        unlock(self._fd, header.index)
        header.move(State.DONE)
        signal_done(self._done_fds[header.index])
        self._row[WorkerRow.FRAMES] += 1
        self._row[WorkerRow.ANSWERED] += answered
        self._row[WorkerRow.BUSY] = 0

    def _skip(self, header: Header, started_ns: int) -> Outcome | None:
        words = header.words
        if words[Word.CANCELLED] == words[Word.GENERATION]:
            return Outcome.CANCELLED
        left_ns = words[Word.DEADLINE_NS] - started_ns
        if left_ns <= 0:
            return Outcome.OVERDUE
        if self._pace.may_take_longer_than(left_ns) and self._is_too_late(header, left_ns, started_ns):
            # after the death of a worker it was begun once, and to say that it was not would be wrong
            return Outcome.OVERDUE if words[Word.DEATHS] else Outcome.TOO_LATE
        return None

    def _until_ns(self, header: Header, started_ns: int) -> int:
        """When its flow is stopped, between two modules: nobody waits any more, or it has run for as long as it may."""
        due_ns: int = header.words[Word.DEADLINE_NS]
        return due_ns if due_ns < started_ns + self._run_ns else started_ns + self._run_ns

    def _ran_out(self, header: Header, started_ns: int, done_ns: int) -> bool:
        """Whether a frame without an answer tells how long flows take: longer than it may have, and than is known."""
        late = done_ns >= self._until_ns(header, started_ns)
        return late and done_ns - started_ns > self._pace.lately(done_ns)[0]

    def _is_too_late(self, header: Header, left_ns: int, now_ns: int) -> bool:
        try:
            return left_ns < self._pace.lately(now_ns)[0] and Job.unpack(header.job).task is Task.INSPECT
        except ValueError:
            return False

    def _answer(self, header: Header, started_ns: int) -> tuple[Outcome, Answer]:
        area, words = self._memory.reply(header), header.words
        generation = words[Word.GENERATION]
        try:
            frame = FrameMemory(
                self._memory.request(header),
                area,
                words[Word.ACCEPTED_NS],
                self._until_ns(header, started_ns),
                self._newest.held,
                lambda: words[Word.CANCELLED] != generation,
                words[Word.CAME_NS],
                header.index,
                header.limit,
                self._global_data,
                self._witness,
                header.asked,
            )
            return Outcome.ANSWERED, self._inspector.answer(Job.unpack(header.job), frame)
        except FramemillError as error:
            return Outcome.REFUSED, self._refuse(error, area)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is this frame's error and the worker goes on
            return Outcome.REFUSED, self._refuse(as_error_of_ours(error), area)

    @staticmethod
    def _refuse(error: FramemillError, area: memoryview) -> Answer:
        body = orjson.dumps({"code": error.code, "message": error.message})
        area[: len(body)] = body
        return Answer(json_bytes=len(body))


def as_error_of_ours(error: Exception) -> FramemillError:
    """Return what a client is told of an exception that is none of ours; a fault of the server is logged."""
    if isinstance(error, MemoryError) or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem):
        return OutOfMemory("the frame needs more memory than its worker may have (worker_memory_mib)")
    _log.exception("a frame met a fault of ours", exc_info=error)
    return InternalError("the frame met a fault of the server; its log has the details")
