"""A project loaded as workers load it, in a process of its own: what `framemill check` starts.

`python -I -m workers.programs.rehearsal` reads a Request as JSON from standard input and writes a Result to standard
output. The project's code is imported here, where it can harm nobody: it may end this process, or never come back.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel

from workers.errors import FramemillError
from workers.flow.project import Project, load_project
from workers.isolated import isolated
from workers.settings import PoolSettings
from workers.this_process import die_with_parent

_START_S = 30.0  # a Python with its libraries, on a busy machine
_LAST_WORDS_BYTES = 4000
_MOST_BYTES = 1 << 20
_LATE = b"Timeout ("  # so begins what faulthandler says


class Request(BaseModel):
    """Which project to load, and under which settings."""

    project: Path
    settings: PoolSettings


class Result(BaseModel):
    """Why it cannot be loaded; empty where it can."""

    mistake: str = ""


def rehearse(project: Project, settings: PoolSettings) -> str:
    """Load a project without mistakes in its file in another process; return why that fails, "" where it does not."""
    request = Request(project=project.folder, settings=settings).model_dump_json().encode()
    # not pipes: what the code starts may hold them open for as long as it likes
    with (
        _memory("request") as asked,
        _memory("result") as told,
        _memory("said") as said,
        tempfile.TemporaryDirectory() as nowhere,
    ):
        asked.write(request)
        asked.seek(0)
        process = subprocess.Popen(
            isolated("-m", "workers.programs.rehearsal", str(os.getpid())),
            stdin=asked,
            stdout=told,
            stderr=said,
            start_new_session=True,
            # relative names lead where they do in a worker, but for that a check makes no folder
            cwd=project.data if project.data.is_dir() else nowhere,
        )
        try:
            process.wait(_START_S + settings.boot_ms / 1000)
        except subprocess.TimeoutExpired:
            said.write(_LATE)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        result, words = (os.pread(file.fileno(), _MOST_BYTES, 0) for file in (told, said))
    return Result.model_validate_json(result).mistake if result else _why_it_died(process.returncode, words, settings)


def _memory(name: str) -> BinaryIO:
    return os.fdopen(os.memfd_create(f"framemill-{name}"), "w+b", buffering=0)


def _why_it_died(status: int, said: bytes, settings: PoolSettings) -> str:
    last = said[-_LAST_WORDS_BYTES:].decode("utf-8", "backslashreplace").strip()
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    what = f"workers die while they load the project: {how}"
    if _LATE in said:
        what = f"the project is not loaded within {settings.boot_ms} ms (boot_ms)"
    return f"{what}\n{last}".strip()


def load(request: Request) -> Result:
    """Load the project here, in this process."""
    # imported here: OpenCV takes a while, and who only starts this process needs none
    from workers.containment.limits import Growth, data_bytes, limit_memory  # noqa: PLC0415
    from workers.worker.inspector import Inspector  # noqa: PLC0415
    from workers.worker.preload import calm_down  # noqa: PLC0415

    calm_down()
    # one that never comes back says where it was, and ends this process
    faulthandler.dump_traceback_later(request.settings.boot_ms / 1000, exit=True)
    try:
        project = load_project(request.project)
        os.environ["FRAMEMILL_DATA"] = str(project.data)
        Inspector.prepare(project, request.settings)
        loaded_bytes = data_bytes()  # as at the fork of a worker
        Growth(request.settings, loaded_bytes)
        limit_memory(request.settings.worker_memory_mib, loaded_bytes)
    except FramemillError as error:
        return Result(mistake=error.message)
    except BaseException as error:  # noqa: BLE001 - code of the project may raise anything
        return Result(mistake=f"{type(error).__name__}: {error}")
    return Result()


def main() -> None:
    """Be the child: what code prints while it is imported goes to standard error, and it finds no input."""
    die_with_parent(int(sys.argv[1]))
    request = Request.model_validate_json(sys.stdin.buffer.read())
    result_fd = os.dup(1)
    os.dup2(2, 1)
    result = load(request)
    os.write(result_fd, result.model_dump_json().encode())
    os._exit(0)  # threads and handlers that the code has left are not waited for


if __name__ == "__main__":
    main()
