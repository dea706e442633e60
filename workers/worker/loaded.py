"""A project loaded in this process as a worker loads it; frames go through what a server's worker runs."""

from __future__ import annotations

import mmap
import os
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, NamedTuple, Self

from workers.pool.job import Job, ResponseType, Task
from workers.settings import MIB
from workers.worker.inspector import Answer, FrameMemory, Inspector, KeptFrame

if TYPE_CHECKING:
    from workers.flow.project import Project
    from workers.settings import PoolSettings


class Answered(NamedTuple):
    """What a client would have had: the context as JSON, and the picture that was asked for, a PNG or nothing."""

    context: bytes
    picture: bytes
    how: Answer


class LoadedProject:
    """A project whose flow is prepared, with `inspector`; see `load`."""

    def __init__(self, inspector: Inspector, settings: PoolSettings) -> None:
        self._inspector = inspector
        self._run_ns = settings.run_ms * 1_000_000
        # as a worker's reply area: taken from the machine only as far as it is written to, and no memory of user code
        self._reply = memoryview(mmap.mmap(-1, settings.max_reply_mib * MIB))
        self._drawn = memoryview(mmap.mmap(-1, settings.max_reply_mib * MIB))
        self._last: KeptFrame | None = None

    @classmethod
    def load(cls, project: Project, settings: PoolSettings) -> Self:
        """Prepare its flow here; raises ProjectInvalid where it has mistakes, or its code cannot be imported."""
        os.environ["FRAMEMILL_DATA"] = str(project.data)
        return cls(Inspector.prepare(project, settings), settings)

    def inspect(self, job: Job, frame: bytes) -> Answered:
        """Inspect a frame; raises FramemillError where a client would have had an error instead of a context."""
        self._last = None
        answer = self._inspector.answer(job, self._memory(frame, self._reply))
        self._last = KeptFrame(job, memoryview(frame), self._reply, answer, lambda: True)
        return _taken(self._reply, answer)

    def draw(self, response: ResponseType = ResponseType.ANNOTATED_IMAGE) -> bytes:
        """Draw the frame that was inspected last, as /last_image does: no code of the project runs for it.

        Raises FramemillError where it cannot be drawn.
        """
        answer = self._inspector.answer(Job(task=Task.SHOW, response=response), self._memory(b"", self._drawn))
        return _taken(self._drawn, answer).picture

    def _memory(self, frame: bytes, reply: memoryview) -> FrameMemory:
        now_ns = time.monotonic_ns()
        last = self._last
        return FrameMemory(
            request=memoryview(frame),
            reply=reply,
            accepted_ns=now_ns,
            deadline_ns=now_ns + self._run_ns,
            newest=lambda: nullcontext(last),
        )


def _taken(reply: memoryview, answer: Answer) -> Answered:
    end = answer.image_bytes + answer.json_bytes
    return Answered(bytes(reply[answer.image_bytes : end]), bytes(reply[: answer.image_bytes]), answer)
