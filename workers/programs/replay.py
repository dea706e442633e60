"""One frame through a project's flow in a process of its own: what `framemill replay` starts.

`python -I -m workers.programs.replay` reads a Request as JSON from standard input and writes a Result to standard
output. The frame may well end this process: that is what it is for.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from workers.errors import FramemillError
from workers.flow.project import Project, load_project
from workers.pool.job import Encoding, Job, ResponseType, Task
from workers.settings import PoolSettings
from workers.this_process import die_with_parent
from workers.told.tracebacks import traceback_of
from workers.told.witness import Witness
from workers.trying.loaded import LoadedProject
from workers.versions.copy import version_of
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
    camera: str = ""
    part: str = ""
    view: str = ""
    held: str = ""
    inputs: bytes = b""

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
    """The flow's context as JSON, or the error that the frame ended in; `tracebacks` of exceptions of its modules."""

    context: str | None = None
    tracebacks: list[str] = []
    code: str = ""
    message: str = ""


class _Tracebacks(Witness):
    """Keeps the traceback of every exception that comes out of a module, under a line that names the module."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self.kept: list[str] = []

    def crashed(self, error: BaseException, told: Mapping[str, Any], where: str) -> None:
        """Keep one."""
        self.kept.append(f"{where} raised {told['type']}:\n{traceback_of(error, self.folder)}")


def _as_it_is(folder: Path) -> Project:
    """Load the project where it lies, for whoever tries to mend it; it is the version that its content is."""
    project = load_project(folder)
    return replace(project, version=version_of(folder, [project.data]))


def run(request: Request) -> tuple[Result, LoadedProject | None]:
    """Inspect the frame here, in this process; see Request."""
    settings, told, loaded = request.settings, _Tracebacks(str(request.project)), None
    try:
        loaded = LoadedProject.load(_as_it_is(request.project), settings, told)
        # a frame that hangs says where, and ends this process
        faulthandler.dump_traceback_later(settings.run_ms / 1000 + _GRACE_S, exit=True)
        answered = loaded.inspect(request.asked.job(), request.frame.read_bytes())
    except FramemillError as error:
        return Result(code=error.code, message=error.message, tracebacks=told.kept), loaded
    finally:
        faulthandler.cancel_dump_traceback_later()
    return Result(context=answered.context.decode(), tracebacks=told.kept), loaded


def main() -> None:
    """Be the child: user code finds no input, and what it prints outside of `main` goes to standard error."""
    die_with_parent(int(sys.argv[1]))
    request = Request.model_validate_json(sys.stdin.buffer.read())
    result_fd = os.dup(1)
    os.dup2(2, 1)
    calm_down()
    result, loaded = run(request)
    with open(result_fd, "wb") as pipe:  # noqa: PTH123 - a descriptor, not a path
        pipe.write(result.model_dump_json().encode())
    # what it does at its end is done as in a worker, and no part of the frame
    limit = threading.Timer(request.settings.finish_ms / 1000, os._exit, [0])
    limit.daemon = True
    limit.start()
    if loaded is not None:
        loaded.stop()


if __name__ == "__main__":
    main()
