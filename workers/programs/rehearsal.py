"""A project loaded as workers load it, in a fork of this process: what `framemill check` makes.

The project's code is imported there, where it can harm nobody: it may end the fork, or never come back. A fork, because
workers are forks too, and a Python that starts anew would import once more what is here already.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import select
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import BinaryIO, NoReturn

from workers.crew.fork import Birth
from workers.errors import FramemillError
from workers.flow.project import Project
from workers.settings import PoolSettings
from workers.this_process import die_with_parent

_START_S = 30.0  # OpenCV and numpy, on a busy machine
_LAST_WORDS_BYTES = 4000
_MOST_BYTES = 1 << 20
_LATE = b"Timeout ("  # so begins what faulthandler says
_GOOD = b"\0"


def rehearse(project: Project, settings: PoolSettings) -> str:
    """Load a project without mistakes in its file in another process; return why that fails, "" where it does not.

    Raises RuntimeError where this process has more than one thread: none of the others would be in the fork.
    """
    if (threads := len(os.listdir("/proc/self/task"))) != 1:  # noqa: PTH208 - names are all that is asked
        msg = f"the process that tries a project has {threads} threads; it must have one"
        raise RuntimeError(msg)
    # not pipes: what the code starts may hold them open for as long as it likes
    with _memory("result") as told, _memory("said") as said, tempfile.TemporaryDirectory() as nowhere:
        # relative names lead where they do in a worker, but for that a check makes no folder
        folder = project.data if project.data.is_dir() else Path(nowhere)
        sys.stdout.flush()  # or the code could say it once more
        sys.stderr.flush()
        fds = told.fileno(), said.fileno()
        pid, pidfd = Birth.fork(lambda parent: _live(parent, project, settings, folder, fds))
        waiter = select.poll()
        waiter.register(pidfd, select.POLLIN)
        try:
            if not waiter.poll(_START_S * 1000 + settings.boot_ms):
                said.write(_LATE)
        finally:
            for end in (os.kill, os.killpg):  # it may not lead a group yet
                with contextlib.suppress(ProcessLookupError):
                    end(pid, signal.SIGKILL)
            os.close(pidfd)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        result, words = (os.pread(file.fileno(), _MOST_BYTES, 0) for file in (told, said))
    return "" if result == _GOOD else result.decode("utf-8", "replace") or _why_it_died(status, words, settings)


def _memory(name: str) -> BinaryIO:
    return os.fdopen(os.memfd_create(f"framemill-{name}"), "w+b", buffering=0)


def _why_it_died(status: int, said: bytes, settings: PoolSettings) -> str:
    last = said[-_LAST_WORDS_BYTES:].decode("utf-8", "backslashreplace").strip()
    how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    what = f"workers die while they load the project: {how}"
    if _LATE in said:
        what = f"the project is not loaded within {settings.boot_ms} ms (boot_ms)"
    return f"{what}\n{last}".strip()


def _live(parent: int, project: Project, settings: PoolSettings, folder: Path, fds: tuple[int, int]) -> NoReturn:
    """Be the fork: `fds` are where its result goes, and what code prints while it is imported; it finds no input."""
    told_fd, said_fd = fds
    status = 1
    try:
        os.setsid()
        die_with_parent(parent)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said_fd, 1)
        os.dup2(said_fd, 2)
        os.chdir(folder)
        mistake = _load(project, settings)
        os.write(told_fd, mistake.encode("utf-8", "backslashreplace") or _GOOD)
        status = 0
    except BaseException:  # noqa: BLE001 - nothing may come back from a fork
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)  # threads and handlers that the code has left are not waited for


def _load(project: Project, settings: PoolSettings) -> str:
    """Load the project here, in this process; return why it cannot be."""
    # imported here: OpenCV takes a while, and whoever only looks for mistakes in files needs none
    from workers.containment.limits import Growth, data_bytes, limit_memory  # noqa: PLC0415
    from workers.worker.inspector import Inspector  # noqa: PLC0415
    from workers.worker.preload import calm_down  # noqa: PLC0415

    calm_down()
    # one that never comes back says where it was, and ends this process
    faulthandler.dump_traceback_later(settings.boot_ms / 1000, exit=True, file=2)
    try:
        os.environ["FRAMEMILL_DATA"] = str(project.data)
        Inspector.prepare(project, settings)
        loaded_bytes = data_bytes()  # as at the fork of a worker
        Growth(settings, loaded_bytes)
        limit_memory(settings.worker_memory_mib, loaded_bytes)
    except FramemillError as error:
        return error.message
    except BaseException as error:  # noqa: BLE001 - code of the project may raise anything
        return f"{type(error).__name__}: {error}"
    return ""
