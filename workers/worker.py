"""A worker process, from its fork to its end.

It loads the project, says so through its report pipe, waits for the supervisor's go, and then does jobs until its
lifeline closes. A spare is a worker that has not been told to go yet.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import orjson

from workers import outlet
from workers.arena import keep_from_children, map_part
from workers.channel import Inbox, told_to_go
from workers.control import ControlPage, WorkerRow
from workers.errors import FramemillError
from workers.limits import Growth, be_first_to_go, limit_memory
from workers.newest import Newest
from workers.parent import die_with_parent, keep_private
from workers.runner import Runner
from workers.slot import headers
from workers.slot_memory import SlotMemory
from workers.surroundings import Surroundings
from workers.task import Inspector
from workers.warm import calm_down

if TYPE_CHECKING:
    from workers.arena import ArenaFile
    from workers.channel import Channel
    from workers.flow.project import Project
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)

BOOT_FAILED = 3  # exit status of a worker that could not load the project


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker is born with: its row in the counters, its pipes, and what it shall run."""

    row: int
    report_fd: int
    lifeline_fd: int
    output_fd: int
    arena: ArenaFile
    channel: Channel
    project: Project
    settings: PoolSettings


def run_worker(place: Place, parent_pid: int) -> NoReturn:
    """Live the life of a worker; called right after the fork."""
    status = 1
    try:
        die_with_parent(parent_pid)
        keep_private(yes=False)  # until it has arranged its own affairs
        _start_clean(place)
        status = _serve(place)
    except BaseException:  # noqa: BLE001 - nothing may unwind into the supervisor's own stack
        with contextlib.suppress(BaseException):  # user code may have closed or replaced the streams
            traceback.print_exc()
    finally:
        outlet.flush()
        os._exit(status)


def _start_clean(place: Place) -> None:
    """Drop what belongs to the supervisor: its signal handlers and its other descriptors."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.setpgid(0, 0)  # Ctrl-C at a terminal is for the supervisor alone
    channel = place.channel
    outlet.speak_through(place.output_fd)
    own = [place.report_fd, place.lifeline_fd, place.arena.fd, channel.inbox_fd, *channel.done_fds]
    kept = sorted({0, 1, 2, place.output_fd, *own})
    for low, high in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
        os.closerange(low + 1, high)
    os.register_at_fork(after_in_child=lambda: _close_all(own))


def _close_all(fds: list[int]) -> None:
    """In a child that user code forks: it must neither take jobs nor keep a worker's pipes open, nor reach frames."""
    with contextlib.suppress(OSError):
        # Python's maps hold descriptors of their own
        fds = [*fds, *(int(link.name) for link in Path("/proc/self/fd").iterdir() if _is_frame_memory(link))]
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def _is_frame_memory(link: Path) -> bool:
    with contextlib.suppress(OSError):
        return link.readlink().name.startswith("memfd:framemill")
    return False


def _serve(place: Place) -> int:
    begun = time.monotonic_ns()
    try:
        runner, row, growth = _boot(place)
    except FramemillError as error:
        _report(place.report_fd, {"error": error.message})
        return BOOT_FAILED
    except BaseException as error:  # noqa: BLE001 - user code is imported here and may raise anything
        _report(place.report_fd, {"error": f"{type(error).__name__}: {error}\n{traceback.format_exc()}"})
        return BOOT_FAILED

    def beat() -> None:
        row[WorkerRow.HEARD_NS] = time.monotonic_ns()

    beat()
    row[WorkerRow.BOOT_NS] = time.monotonic_ns() - begun
    _report(place.report_fd, {"boot_ns": row[WorkerRow.BOOT_NS]})
    if not told_to_go(place.lifeline_fd, beat):
        return 0
    surroundings = Surroundings()
    inbox = Inbox(place.channel.inbox_fd, place.lifeline_fd, beat)
    frames = 0
    while (descriptor := inbox.next()) is not None:
        runner.run(descriptor)
        surroundings.restore()
        frames += 1
        if not row[WorkerRow.GROWN] and (why := growth.why(frames)):
            _log.warning("worker %d asks to be replaced: %s", os.getpid(), why)
            row[WorkerRow.GROWN] = 1
    return 0


def _boot(place: Place) -> tuple[Runner, memoryview, Growth]:
    be_first_to_go()
    calm_down()
    geometry = place.arena.geometry
    low = map_part(place.arena, 0, geometry.requests_at, writable=True)
    keep_from_children(low)
    high = map_part(place.arena, geometry.requests_at, geometry.total_bytes, writable=False)
    control = ControlPage(low, geometry)
    row = control.workers[place.row]
    row[WorkerRow.GROWN] = row[WorkerRow.SHOWS] = 0
    row[WorkerRow.PID] = os.getpid()
    slots = headers(low, geometry)
    keep_private()
    inspector = Inspector.prepare(place.project, place.settings)
    growth = Growth(place.settings)
    limit_memory(place.settings.worker_memory_mib)
    memory = SlotMemory(slots, low, high, place.arena)
    newest = Newest(memory, control, row)
    return Runner(inspector, newest, place.arena.fd, place.channel.done_fds, row), row, growth


def _report(fd: int, message: dict[str, int | str]) -> None:
    os.write(fd, orjson.dumps(message))
    os.close(fd)
