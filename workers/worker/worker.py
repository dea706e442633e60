"""A worker process, from its fork to its end.

It is a fork of a template that has loaded the project, or loads the copy itself where that cannot be forked. It says
through its report pipe who it is and that it is ready, waits for the supervisor's go, and then does jobs until its
lifeline closes. A spare is a worker that has not been told to go yet.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from workers.admission.pace import Pace
from workers.containment import streams
from workers.containment.leaving import leave_in_order
from workers.containment.limits import Growth, data_bytes, limit_memory
from workers.containment.surroundings import Surroundings
from workers.errors import FramemillError
from workers.flow.project import modules_of
from workers.machine import cores
from workers.memory.arena import keep_from_children, map_part
from workers.memory.control import ControlPage, WorkerRow
from workers.memory.crash_table import CrashTable
from workers.memory.global_data import GlobalData
from workers.memory.module_table import ModuleTable
from workers.memory.slot import headers
from workers.memory.slot_memory import SlotMemory
from workers.pool.channel import Inbox, told_to_go
from workers.this_process import be_first_to_go, die_with_new_parent, keep_private
from workers.told.black_box import Writing
from workers.told.thread_watch import ThreadWatch
from workers.told.witness import WorkerWitness
from workers.worker.inspector import Inspector
from workers.worker.newest import Newest
from workers.worker.runner import Runner

if TYPE_CHECKING:
    import mmap
    from collections.abc import Callable

    from workers.containment.descriptors import Ours
    from workers.flow.project import Project
    from workers.memory.arena import ArenaFile
    from workers.pool.channel import Channel
    from workers.settings import PoolSettings

_log = logging.getLogger(__name__)

WORKER_VARIABLE = "FRAMEMILL_WORKER"
_FOR_THREADS = 0.5  # of the time for its end: `atexit` has the rest
BOOT_FAILED = 3  # exit status of a worker that could not load the project


@dataclass(frozen=True, slots=True)
class Place:
    """What a worker is born with: its row in the counters, its pipes, and what it shall run.

    `output_fd` is what its streams write to, and becomes what `new_output_fd` is. `inspector` is None where the
    project is still to be loaded. `box_fd` is its black box. `said` is shared by all workers of the version: what
    one has said once for all.
    """

    row: int
    report_fd: int
    lifeline_fd: int
    new_output_fd: int
    output_fd: int
    box_fd: int
    arena: ArenaFile
    channel: Channel
    project: Project
    settings: PoolSettings
    ours: Ours
    inspector: Inspector | None
    said: mmap.mmap


def run_worker(place: Place, supervisor_pid: int) -> NoReturn:
    """Live the life of a worker; called right after the fork, in a child of one that ends and leaves it alone."""
    live_apart(place, supervisor_pid, _serve)


def live_apart(place: Place, supervisor_pid: int, live: Callable[[Place], int]) -> NoReturn:
    """Become a process of the supervisor's with nothing of the template's but what it has loaded; `live` is its life.

    What that returns is the exit status.
    """
    status = 1
    try:
        die_with_new_parent(supervisor_pid)
        keep_private(yes=False)  # until it has arranged its own affairs
        _start_clean(place)
        be_first_to_go()
        keep_private()
        status = live(place)
    except BaseException:  # noqa: BLE001 - nothing may unwind into the template's own stack
        with contextlib.suppress(BaseException):  # user code may have closed or replaced the streams
            traceback.print_exc()
    finally:
        streams.flush()
        os._exit(status)


def _start_clean(place: Place) -> None:
    """Become a process of its own, with a group, an output and random numbers that no other fork has."""
    os.setpgid(0, 0)
    streams.go_on_through(place.output_fd, place.new_output_fd)
    place.ours.belong_to_us()
    place.ours.add(place.report_fd, place.lifeline_fd, place.box_fd, shared=place.output_fd)
    os.environ[WORKER_VARIABLE] = str(place.row)
    # Python seeds its own `random` in every fork
    if (numpy_random := sys.modules.get("numpy.random")) is not None:
        numpy_random.seed()


def loaded_in(place: Place) -> Inspector | None:
    """Return what the template has loaded, or load it here; None where that failed, of which the supervisor is told."""
    inspector, failure = (place.inspector, "") if place.inspector else load(place.project, place.settings)
    if inspector is None:
        report(place.report_fd, {"error": failure})
    return inspector


def load(project: Project, settings: PoolSettings) -> tuple[Inspector | None, str]:
    """Load the project in this process; where it cannot be loaded there is no Inspector, but a text that says why."""
    try:
        return Inspector.prepare(project, settings), ""
    except FramemillError as error:
        return None, error.message
    except BaseException as error:  # noqa: BLE001 - user code is imported here and may raise anything
        return None, f"{type(error).__name__}: {error}\n{traceback.format_exc()}"


def _serve(place: Place) -> int:
    begun = time.monotonic_ns()
    report(place.report_fd, {"pid": os.getpid()})
    from_bytes = data_bytes()
    inspector = loaded_in(place)
    if inspector is None:
        return BOOT_FAILED
    inspector.flow.worker = place.row
    try:
        runner, row, growth = _boot(place, inspector, from_bytes)
    except FramemillError as error:
        report(place.report_fd, {"error": error.message})
        return BOOT_FAILED

    def beat() -> None:
        row[WorkerRow.HEARD_NS] = time.monotonic_ns()

    beat()
    row[WorkerRow.BOOT_NS] = time.monotonic_ns() - begun
    report(place.report_fd, {"boot_ns": row[WorkerRow.BOOT_NS]})
    os.close(place.report_fd)
    if told_to_go(place.lifeline_fd, beat):
        _work(place, runner, row, growth, beat)
    if place.settings.finish_ms:
        row[WorkerRow.ENDS_NS] = time.monotonic_ns()
        leave_in_order(
            inspector.flow.stop, place.project.folder / "code", place.settings.finish_ms / 1000 * _FOR_THREADS
        )
    return 0


def _work(place: Place, runner: Runner, row: memoryview, growth: Growth, beat: Callable[[], None]) -> None:
    """Do jobs until the lifeline closes."""
    surroundings = Surroundings()
    inbox = Inbox(place.channel.inbox_fd, place.lifeline_fd, beat)
    place.ours.add(inbox.fd, growth.fd)
    threads = ThreadWatch(place.settings.workers, cores(), place.said)
    frames = 0
    while (descriptor := inbox.next()) is not None:
        runner.run(descriptor)
        surroundings.restore()
        frames += 1
        if not row[WorkerRow.GROWN] and (why := growth.why(frames)):
            _log.warning("worker %d asks to be replaced: %s", os.getpid(), why)
            row[WorkerRow.GROWN] = 1
        if why := threads.why(frames):
            _log.warning("worker %d: %s", os.getpid(), why)


def _boot(place: Place, inspector: Inspector, from_bytes: int) -> tuple[Runner, memoryview, Growth]:
    geometry = place.arena.geometry
    low = map_part(place.arena, 0, geometry.requests_at, writable=True)
    keep_from_children(low)
    high = map_part(place.arena, geometry.requests_at, geometry.total_bytes, writable=False)
    control = ControlPage(low, geometry)
    row, pace = control.workers[place.row], Pace(control.words)
    row[WorkerRow.GROWN] = row[WorkerRow.SHOWS] = row[WorkerRow.MODULE] = row[WorkerRow.ENDS_NS] = 0
    row[WorkerRow.PID] = os.getpid()
    slots = headers(low, geometry)
    growth = Growth(place.settings, from_bytes)
    limit_memory(place.settings.worker_memory_mib, from_bytes)
    memory = SlotMemory(slots, low, high, place.arena)
    newest = Newest(memory, control, row)
    names = ModuleTable(low, geometry, control.words)
    places = names.places(modules_of(place.project.steps))
    crashes = CrashTable(low, geometry, place.arena.fd)
    streams.leave_stack_in(place.box_fd)
    witness = WorkerWitness(str(place.project.folder), row, places, crashes, Writing(place.box_fd))
    done_fds = place.channel.done_fds
    shared = GlobalData(place.arena.global_fd)
    runner = Runner(inspector, newest, place.arena.fd, done_fds, row, pace, place.settings.run_ms, witness, shared)
    return runner, row, growth


def report(fd: int, message: dict[str, Any]) -> None:
    """Say something of itself to the supervisor."""
    os.write(fd, orjson.dumps(message) + b"\n")
