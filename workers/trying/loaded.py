"""A project loaded in this process as a worker loads it; frames go through what a server's worker runs."""

from __future__ import annotations

import mmap
import os
import time
import weakref
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from workers.containment.working_folder import working_folder, working_in
from workers.memory.global_data import GlobalData, create_global_data
from workers.pool.job import Job, ResponseType, Task
from workers.settings import MIB
from workers.told.witness import Witness
from workers.worker.inspector import Answer, FrameMemory, Inspector, KeptFrame
from workers.worker.worker import WORKER_VARIABLE

if TYPE_CHECKING:
    from workers.flow.project import Project
    from workers.settings import PoolSettings


class Answered(NamedTuple):
    """What a client would have had: the context as JSON, and the picture that was asked for, a PNG or nothing."""

    context: bytes
    picture: bytes
    how: Answer


class LoadedProject:
    """A project whose flow is prepared, with `inspector`; see `load`.

    What code opens by a relative name lies in `folder`, where one is given. `witness` is told of frames; `shared_fd` is
    the memory of globalData where others have it, too. `inputs` is what operators would have set, as JSON;
    `views` those of the project's parts.
    """

    def __init__(
        self,
        inspector: Inspector,
        settings: PoolSettings,
        *,
        folder: Path | None = None,
        witness: Witness | None = None,
        shared_fd: int | None = None,
        views: Sequence[str] = (),
    ) -> None:
        self._inspector = inspector
        self._folder = folder
        self._witness = witness or Witness()
        self._run_ns = settings.run_ms * 1_000_000
        # as a worker's reply area: taken from the machine only as far as it is written to, and no memory of user code
        self._reply = memoryview(mmap.mmap(-1, settings.max_reply_mib * MIB))
        self._drawn = memoryview(mmap.mmap(-1, settings.max_reply_mib * MIB))
        self._last: KeptFrame | None = None
        if shared_fd is None:  # then nobody else has it
            shared_fd = create_global_data(settings.global_data_kib)
            weakref.finalize(self, os.close, shared_fd)
        self._shared = GlobalData(shared_fd)
        self.inputs = b""
        self.views = views

    @classmethod
    def load(
        cls, project: Project, settings: PoolSettings, witness: Witness | None = None, shared_fd: int | None = None
    ) -> Self:
        """Prepare its flow here; exceptions of its code are logged unless a `witness` is given.

        Raises:
            ProjectInvalid: it has mistakes, or its code cannot be imported.
        """
        os.environ["FRAMEMILL_DATA"] = str(project.data)
        number = int(os.environ.setdefault(WORKER_VARIABLE, "0"))
        folder = working_folder(project.data, project.folder) if project.has_code else None
        with working_in(folder):
            inspector = Inspector.prepare(project, settings)
        inspector.flow.worker = number
        told = witness or Witness(str(project.folder))
        views = project.part.views if project.part else ()
        return cls(inspector, settings, folder=folder, witness=told, shared_fd=shared_fd, views=views)

    def inspect(self, job: Job, frame: bytes) -> Answered:
        """Inspect a frame; raises FramemillError where a client would have had an error instead of a context."""
        self._last = None
        with working_in(self._folder):
            answer = self._inspector.answer(replace(job, inputs=self.inputs), self._memory(frame, self._reply))
        self._last = KeptFrame(job, memoryview(frame), self._reply, answer, lambda: True)
        return _taken(self._reply, answer)

    def draw(self, response: ResponseType = ResponseType.ANNOTATED_IMAGE) -> bytes:
        """Draw the frame that was inspected last, as /last_image does: no code of the project runs for it.

        Raises FramemillError where it cannot be drawn.
        """
        answer = self._inspector.answer(Job(task=Task.SHOW, response=response), self._memory(b"", self._drawn))
        return _taken(self._drawn, answer).picture

    @property
    def modules(self) -> Sequence[object]:
        """The modules of its flow as they were made, those of branches too."""
        return self._inspector.flow.modules

    def stop(self) -> None:
        """Tell the modules that no frame follows, as at the end of a worker."""
        with working_in(self._folder):
            self._inspector.flow.stop()

    def _memory(self, frame: bytes, reply: memoryview) -> FrameMemory:
        now_ns = time.monotonic_ns()
        last = self._last
        return FrameMemory(
            request=memoryview(frame),
            reply=reply,
            accepted_ns=now_ns,
            deadline_ns=now_ns + self._run_ns,
            newest=lambda: nullcontext(last),
            witness=self._witness,
            shared=self._shared,
        )


def _taken(reply: memoryview, answer: Answer) -> Answered:
    end = answer.image_bytes + answer.json_bytes
    return Answered(bytes(reply[answer.image_bytes : end]), bytes(reply[: answer.image_bytes]), answer)
