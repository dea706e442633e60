"""A real recorder in a process of its own, forked from this one, that kills itself at one of its steps.

A step is all that others can see: a statement that writes, a commit, half a file, its name, what is said to fronts, up
to where it is done. It is killed right before one, or right behind it.
"""

from __future__ import annotations

import importlib
import io
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
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
from service.history.plan import NAME, PICTURES, PicturesPlan, RecorderPlan
from service.history.told import PicturesTold, Told, create_page
from service.results.follow import Follower
from tests.results.house import House
from tests.support.faults import until

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
            self.met()
            return _Halves(new_file(*name, **where), self.met)

        module.new_file = new_in_halves
        for name in ("rename", "unlink"):
            self._around(os, name)

    def _around(self, owner: Any, name: str, counts: Callable[..., Any] = lambda *_, **__: True) -> None:
        real = getattr(owner, name)

        def wrapped(*args: Any, **named: Any) -> Any:
            if not counts(*args, **named):
                return real(*args, **named)
            self.met()
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


class Recorders:
    """One after the other, as a supervisor starts them: what outlives them is here."""

    def __init__(self, server: House, asking: tuple[socket.socket, ...] = ()) -> None:
        self.told_fd = create_page()
        self._server = server
        self._asking = asking
        self._plan_fd = os.memfd_create("plan")
        self._started_ns = time.time_ns()

    def start(self, last_step: int = 0) -> int:
        """Start the next one, which is killed at this step; returns its process id."""
        # as a supervisor has it, whose one loop sees an end before it starts the next one
        until(lambda: not any(one.is_there for one in self._server.seen().values()))
        plan = self._plan()
        text = plan.model_dump_json().encode()
        os.ftruncate(self._plan_fd, 0)
        os.pwrite(self._plan_fd, text, 0)
        pid = os.fork()
        if pid == 0:
            status = 99
            try:
                _be_quick()
                Steps(last_step).watch()
                sys.argv[1:] = [str(self._plan_fd)]
                status = recorder.main()
            finally:
                os._exit(status)
        return pid

    def _plan(self) -> RecorderPlan:
        pictures = PicturesPlan(
            link_fd=self._server.door.for_program(PICTURES),
            nok=True,
            all=True,
            every=0,
            most_bytes=0,
            most_days=0,
            free_bytes=0,
            format="png",
            quality=90,
        )
        return RecorderPlan(
            supervisor_pid=os.getpid(),
            started_ns=self._started_ns,
            server="left",
            state_dir=self._server.folder,
            history_url=None,
            link_fd=self._server.door.for_program(NAME),
            told_fd=self.told_fd,
            most_days=0,
            most_records=0,
            asking_fds=tuple(end.fileno() for end in self._asking),
            pictures=pictures,
        )

    def close(self) -> None:
        """Let go of what outlived them."""
        os.close(self.told_fd)
        os.close(self._plan_fd)


def _be_quick() -> None:
    modules: Mapping[str, Any] = {
        "BATCH_S": service.history.recording.recording,
        "_SLEEP_S": service.results.follow,
    }
    for name, module in modules.items():
        setattr(module, name, 0.01)
    setattr(service.history.recording.before_answer, "BATCH_S", 0.01)  # noqa: B010 - a constant, for mypy


def has_ended(pid: int) -> int | None:
    """Return with which status, as waitpid has it; None where it lives."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    return status if ended else None


def ask_to_end(pid: int) -> int:
    """Ask it to end; returns with which status it did."""
    os.kill(pid, signal.SIGTERM)
    return os.waitpid(pid, 0)[1]


def parts_left(folder: Path) -> list[Path]:
    """Files that somebody was killed at."""
    return [path for path in folder.rglob(".*") if path.is_file()]
