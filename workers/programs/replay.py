"""One frame through a project's flow in a process of its own: what `framemill replay` starts.

`python -I -m workers.programs.replay` reads a Request as JSON from standard input and writes a Result to standard
output. The frame may well end this process: that is what it is for.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from pydantic import BaseModel

from workers.errors import FramemillError
from workers.flow.project import Project, load_project
from workers.pool.job import Encoding, Job, ResponseType, Task
from workers.settings import MIB, PoolSettings
from workers.this_process import die_with_parent
from workers.versions.copy import version_of
from workers.worker.inspector import FrameMemory, Inspector
from workers.worker.preload import calm_down

_GRACE_S = 0.25  # for a flow that ends by itself when its time is over


class Asked(BaseModel):
    """A job as the quarantine folder keeps it (`NAME.json`); see workers/pool/job.py."""

    task: Task = Task.INSPECT
    encoding: Encoding = Encoding.ENCODED
    response: ResponseType = ResponseType.CONTEXT
    width: int = 0
    height: int = 0
    pixel_format: str = ""
    data: str = ""

    def job(self) -> Job:
        """Return it as a worker takes it."""
        return Job(**self.model_dump())


class Request(BaseModel):
    """What to run, and under which settings."""

    project: Path
    frame: Path
    asked: Asked
    settings: PoolSettings


class Result(BaseModel):
    """The flow's context as JSON, or the error that the frame ended in."""

    context: str | None = None
    code: str = ""
    message: str = ""


def _as_it_is(folder: Path) -> Project:
    """Load the project where it lies, for whoever tries to mend it; it is the version that its content is."""
    project = load_project(folder)
    os.environ["FRAMEMILL_DATA"] = str(project.data)
    return replace(project, version=version_of(folder, [project.data]))


def run(request: Request) -> Result:
    """Inspect the frame here, in this process; see Request."""
    settings = request.settings
    try:
        inspector = Inspector.prepare(_as_it_is(request.project), settings)
        reply = bytearray(settings.max_reply_mib * MIB)
        # a frame that hangs says where, and ends this process
        faulthandler.dump_traceback_later(settings.run_ms / 1000 + _GRACE_S, exit=True)
        now_ns = time.monotonic_ns()
        memory = FrameMemory(
            request=memoryview(request.frame.read_bytes()),
            reply=memoryview(reply),
            accepted_ns=now_ns,
            deadline_ns=now_ns + settings.run_ms * 1_000_000,
            newest=nullcontext,
        )
        answer = inspector.answer(request.asked.job(), memory)
    except FramemillError as error:
        return Result(code=error.code, message=error.message)
    start, end = answer.image_bytes, answer.image_bytes + answer.json_bytes
    return Result(context=reply[start:end].decode())


def main() -> None:
    """Be the child: user code finds no input, and what it prints outside of `main` goes to standard error."""
    die_with_parent(int(sys.argv[1]))
    request = Request.model_validate_json(sys.stdin.buffer.read())
    result_fd = os.dup(1)
    os.dup2(2, 1)
    calm_down()
    result = run(request)
    with open(result_fd, "wb") as pipe:  # noqa: PTH123 - a descriptor, not a path
        pipe.write(result.model_dump_json().encode())


if __name__ == "__main__":
    main()
