"""A program that forks real recorders, one after the other; each kills itself at one of its steps.

A step is all that others can see: a statement that writes, a commit, half a file, its name, what is said to fronts, up
to where it is done. It is killed right behind one, so before the next.
Started as `python -c 'from tests.history_under_faults.stepped import serve; serve(FD)'`, it has no threads, and all
imports are done: a recorder begins within milliseconds.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from sqlalchemy import Engine, event
from sqlalchemy.engine.default import DefaultDialect

import service.history.pictures.folder
import service.history.recording.before_answer
import service.history.recording.recording
import service.results.follow
from service.beside import recorder
from service.history.before_answer.asks import Said
from service.history.before_answer.hearing import Hearing
from service.history.plan import PicturesPlan, RecorderPlan
from service.history.told import PicturesTold, Told
from service.results.follow import Follower
from workers.this_process import die_with_parent

# what a recorder imports once it has begun: each that is forked has it already
for _late in (
    "history.pictures.tending",
    "history.places.place",
    "history.writing.store",
    "history.recording.with_pictures",
):
    importlib.import_module(f"service.{_late}")
importlib.import_module("workers.pictures.kept")

_WRITES = ("INSERT", "UPDATE", "DELETE")


class Steps:
    """Counts what the recorder in this process does; the one of this number is its last."""

    def __init__(self, last: int) -> None:
        self._left = last
        self._lock = threading.Lock()

    def met(self) -> None:
        """Be here."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """Count from now on."""
        self._watch_database()
        self._watch_files()
        self._around(Told, "write")
        self._around(PicturesTold, "write")
        self._around(
            Follower, "done", lambda follower, cursors=None: (cursors or follower.cursors) != follower.done_with
        )
        self._around(Follower, "picture")
        self._around(Follower, "read", lambda follower, *_: follower.behind)
        self._around(Hearing, "answer", lambda _, asked, said: asked and said is Said.RECORDED)

    def _watch_database(self) -> None:
        @event.listens_for(Engine, "after_cursor_execute")
        def written(_: Any, __: Any, statement: str, *___: Any) -> None:
            if statement.startswith(_WRITES):
                self.met()

        self._around(DefaultDialect, "do_commit")

    def _watch_files(self) -> None:
        module: Any = service.history.pictures.folder
        new_file = module.new_file

        def new_in_halves(*name: Any, **where: Any) -> BinaryIO:
            halves = _Halves(new_file(*name, **where), self.met)
            self.met()
            return halves

        module.new_file = new_in_halves
        for name in ("rename", "unlink"):
            self._around(os, name)

    def _around(self, owner: Any, name: str, counts: Callable[..., Any] = lambda *_, **__: True) -> None:
        real = getattr(owner, name)

        def wrapped(*args: Any, **named: Any) -> Any:
            if not counts(*args, **named):
                return real(*args, **named)
            found = real(*args, **named)
            self.met()
            return found

        setattr(owner, name, wrapped)


class _Halves(io.BytesIO):
    """What is written to it is written in two halves, and one may be killed in between."""

    def __init__(self, file: BinaryIO, met: Callable[[], None]) -> None:
        super().__init__()
        self._file = file
        self._met = met

    def write(self, content: Any, /) -> int:
        """See BinaryIO."""
        half = len(content) // 2
        for piece in (content[:half], content[half:]):
            self._file.write(piece)
            self._file.flush()
            self._met()
        return len(content)

    def close(self) -> None:
        """See BinaryIO."""
        self._file.close()
        super().close()


def serve(link_fd: int) -> None:
    """Fork a recorder for each plan that comes by this socket, tell its process id, and then how it ended."""
    die_with_parent(os.getppid())
    link = socket.socket(fileno=link_fd)
    plan_fd = os.memfd_create("plan")
    while True:
        message, fds, _, _ = socket.recv_fds(link, 1 << 16, 8)
        if not message:
            return
        told = json.loads(message)
        pictures = PicturesPlan.model_validate({**told["pictures"], "link_fd": fds[1]})
        plan = RecorderPlan.model_validate(
            {
                **told["plan"],
                "supervisor_pid": os.getpid(),
                "link_fd": fds[0],
                "told_fd": fds[2],
                "asking_fds": tuple(fds[3:]),
                "pictures": pictures,
            }
        )
        text = plan.model_dump_json().encode()
        os.ftruncate(plan_fd, 0)
        os.pwrite(plan_fd, text, 0)
        if (pid := os.fork()) == 0:
            status = 99
            try:
                link.close()
                _be_quick()
                Steps(told["last_step"]).watch()
                sys.argv[1:] = [str(plan_fd)]
                status = recorder.main()
            finally:
                os._exit(status)
        for fd in fds:
            os.close(fd)
        link.send(str(pid).encode())
        link.send(str(os.waitpid(pid, 0)[1]).encode())


def _be_quick() -> None:
    modules: Mapping[str, Any] = {
        "BATCH_S": service.history.recording.recording,
        "_SLEEP_S": service.results.follow,
    }
    for name, module in modules.items():
        setattr(module, name, 0.01)
    setattr(service.history.recording.before_answer, "BATCH_S", 0.01)  # noqa: B010 - a constant, for mypy
