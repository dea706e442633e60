"""Running one slot: claim it, do its job, leave the answer, wake the front. Shared by workers and the inline pool."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import cv2
import orjson

from workers.channel import signal_done
from workers.claim import claim, unlock
from workers.control import WorkerRow
from workers.errors import FramemillError, InternalError, OutOfMemory
from workers.job import Job
from workers.slot import Outcome, State, Word
from workers.task import Answer, FrameMemory

if TYPE_CHECKING:
    from workers.channel import Descriptor
    from workers.newest import Newest
    from workers.slot import Header
    from workers.task import Inspector

_log = logging.getLogger(__name__)


_NOTHING = Answer()


class Runner:
    """Runs the slots that descriptors name."""

    def __init__(
        self, inspector: Inspector, newest: Newest, fd: int, done_fds: tuple[int, ...], row: memoryview
    ) -> None:
        self._inspector = inspector
        self._memory = newest.memory
        self._newest = newest
        self._fd = fd
        self._done_fds = done_fds
        self._row = row

    def run(self, descriptor: Descriptor) -> None:
        """Do the job that `descriptor` names, unless it is stale or somebody else has it."""
        header = self._memory.headers[descriptor.slot]
        if not claim(self._fd, header, descriptor.generation):
            return
        self._row[WorkerRow.BUSY] = header.index + 1
        header.words[Word.STARTED_NS] = started_ns = time.monotonic_ns()
        skipped = self._skip(header)
        outcome, answer = (skipped, _NOTHING) if skipped else self._answer(header)
        done_ns = time.monotonic_ns()
        # a frame's time is no silence
        self._row[WorkerRow.HEARD_NS] = done_ns
        header.leave_answer(started_ns, done_ns, outcome, *answer)
        answered = outcome is Outcome.ANSWERED and answer.verdict > 0
        # unlocked before DONE: from then on the front may use the slot anew
        unlock(self._fd, header.index)
        header.move(State.DONE)
        signal_done(self._done_fds[header.index])
        self._row[WorkerRow.FRAMES] += 1
        self._row[WorkerRow.ANSWERED] += answered
        self._row[WorkerRow.BUSY] = 0

    @staticmethod
    def _skip(header: Header) -> Outcome | None:
        words = header.words
        if words[Word.CANCELLED] == words[Word.GENERATION]:
            return Outcome.CANCELLED
        if words[Word.DEADLINE_NS] <= words[Word.STARTED_NS]:
            return Outcome.OVERDUE
        return None

    def _answer(self, header: Header) -> tuple[Outcome, Answer]:
        area, words = self._memory.reply(header), header.words
        try:
            frame = FrameMemory(
                self._memory.request(header), area, words[Word.ACCEPTED_NS], words[Word.DEADLINE_NS], self._newest.held
            )
            return Outcome.ANSWERED, self._inspector.answer(Job.unpack(header.job), frame)
        except FramemillError as error:
            return Outcome.REFUSED, self._refuse(error, area)
        except Exception as error:  # noqa: BLE001 - whatever it was, it is this frame's error and the worker goes on
            return Outcome.REFUSED, self._refuse(_fault(error), area)

    @staticmethod
    def _refuse(error: FramemillError, area: memoryview) -> Answer:
        body = orjson.dumps({"code": error.code, "message": error.message})
        area[: len(body)] = body
        return Answer(json_bytes=len(body))


def _fault(error: Exception) -> FramemillError:
    if isinstance(error, MemoryError) or (isinstance(error, cv2.error) and error.code == cv2.Error.StsNoMem):
        return OutOfMemory("the frame needs more memory than its worker may have (worker_memory_mib)")
    _log.exception("a frame met a fault of ours", exc_info=error)
    return InternalError("the frame met a fault of the server; its log has the details")
