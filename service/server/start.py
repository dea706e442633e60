"""Putting the server together: project, settings, socket, supervisor."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.access.heirloom import Heirloom
from service.access.startup_check import check_entrance
from service.alerts.holds import Holds
from service.api.switch import ProcessSwitch
from service.beside.programs import Programs
from service.changes.log import Changes
from service.environment import for_fronts
from service.history.places.place import read_url
from service.inputs.operator_inputs import MEMORY_KIB, OperatorInputs
from service.results.door import Door
from service.results.files import ResultsFiles
from service.server.front_plan import FrontPlan
from service.server.lasting import Lasting
from service.server.listener import Listener, listener
from service.server.preflight import chosen_state_dir
from service.server.project_source import ProjectSource
from service.server.systemd import notify_systemd
from service.server.takeover import Predecessor, predecessor, start_successor
from service.settings import Settings, load_settings
from workers.change.changing import Overriding
from workers.errors import SettingsInvalid
from workers.flow.project import Project, load_project
from workers.isolated import isolated
from workers.memory.global_data import create_global_data, open_global_data
from workers.pool.handover import Handover
from workers.supervisor.events import Event
from workers.supervisor.exits import Exit
from workers.supervisor.program import Command
from workers.supervisor.supervisor import Supervisor
from workers.this_process import keep_private

if TYPE_CHECKING:
    from workers.change.failed_proof import FailedProof

_PROOF_PAGES = "proof"

_log = logging.getLogger(__name__)


def run_server(
    folder: Path,
    options: dict[str, Any],
    say_ready: Callable[[str, str], None],
    show_proof: Callable[[FailedProof, Path], Path] | None = None,
) -> Exit:
    """Serve the project in `folder` until asked to stop; returns the exit status.

    `say_ready` is told the project's name and the server's address once a frame can be inspected. `show_proof` writes a
    page of a proof that failed into a folder; it is called in a process of its own.

    Raises:
        ProjectInvalid, SettingsInvalid: with all mistakes.
        CannotListen, NotEnoughMemory: the machine does not have what is asked for.
    """
    on_disk = load_project(folder)
    settings = load_settings(on_disk.server, options)
    api_key = check_entrance(settings)
    history_url = read_url(settings)
    state_dir = _state_dir(settings, on_disk)
    # a frame's code is never read from the folder that people edit
    source = ProjectSource(folder.absolute(), state_dir, settings)
    source.tidy()
    project = source.load()
    before = predecessor()
    open_to = before.open_to if before else listener(settings)
    inherited = before.heirloom if before else None
    heirloom = inherited or Heirloom.create()
    heirloom.keep_from_children()
    global_fd = open_global_data(settings.global_data_kib, before.global_fd if before else None)
    switch = ProcessSwitch(heirloom, state_dir)
    switch.begin(inherited=inherited is not None)
    inputs = _inputs(before, state_dir, project)
    holds = Holds(heirloom, state_dir)
    holds.begin(inherited=inherited is not None)
    lasting = Lasting(state_dir, switch, holds, inputs, Changes(state_dir))
    results = ResultsFiles.create(settings.fronts, settings.results_mib) if settings.results_mib else None
    door = Door(results, state_dir) if results else None
    programs = Programs(
        settings,
        project,
        state_dir,
        results=results,
        door=door,
        heirloom=heirloom,
        history_url=history_url,
        parts_before=before.parts if before else None,
    )
    url = _url(settings, open_to)

    def plan(handover: Handover) -> FrontPlan:
        return FrontPlan(
            handover=handover,
            settings=settings.model_dump(mode="json", exclude={"api_key", "stop_key"}),
            listen_fd=open_to.sock.fileno(),
            listener_is_ours=open_to.is_ours,
            heirloom_fd=heirloom.fd,
            inputs_fd=inputs.fd,
            state_dir=state_dir,
            version_places=source.places,
            project_name=project.name,
            api_key=api_key,
            stop_key=settings.stop_key.get_secret_value() if settings.stop_key else None,
            supervisor_pid=os.getpid(),
            results=results and results.plan,
            **programs.for_fronts(),
            history_url=history_url,
        )

    def announce(event: Event, pid: int) -> None:
        if event is Event.READY:
            if door:
                door.open()
            say_ready(project.name, url)
            lasting.goes_on_with(project)
        if event is Event.READY and before and before.take_over():
            return  # that one tells systemd which process is the main one now
        if event is Event.ALONE:
            if inherited is None:  # what the one before did with its own switch in its last moments counts
                switch.read_again()
                holds.begin(inherited=False)
            return
        if event is Event.FOLLOWED:
            programs.followed_by(pid)
        notify_systemd(event, pid)

    keep_private()
    supervisor = Supervisor(
        settings,
        project,
        front_command=_FrontStart(plan, _fds_for_fronts(open_to, (heirloom.fd, inputs.fd, *programs.fds), results)),
        load_project=source.load,
        announce=announce,
        tend=lasting.settle,
        overriding=Overriding(source.load_overridden, lasting.goes_over_to),
        start_successor=lambda: start_successor(open_to, heirloom, global_fd, inputs.fd, programs.parts_for_next),
        follows=before.link if before else None,
        tidy=source.tidy_apart,
        beside=programs.plans,
        global_fd=global_fd,
        attend=door.attend if door else lambda *_: None,
        enter=programs.enter,
        show_proof=show_proof and (lambda failed: show_proof(failed, state_dir / _PROOF_PAGES)),
    )
    source.let_go()
    try:
        return supervisor.run()
    finally:
        if door:
            door.close()
        source.tidy()


def _inputs(before: Predecessor | None, state_dir: Path, project: Project) -> OperatorInputs:
    """Return what operators have set, as the server before has it, if there is one."""
    inputs_fd = before.inputs_fd if before and before.inputs_fd is not None else None
    inputs = OperatorInputs(create_global_data(MEMORY_KIB) if inputs_fd is None else inputs_fd, state_dir)
    inputs.begin(project.inputs, inherited=inputs_fd is not None)
    return inputs


def _fds_for_fronts(open_to: Listener, shared: Sequence[int], results: ResultsFiles | None) -> tuple[int, ...]:
    of_results = results.plan.fds if results else ()
    return (open_to.sock.fileno(), *shared, *of_results)


class _FrontStart:
    """Says how the fronts are started; their plan, which holds keys, is handed over in memory that has no name."""

    def __init__(self, make_plan: Callable[[Handover], FrontPlan], fds: tuple[int, ...]) -> None:
        self._make_plan = make_plan
        self._fds = fds
        self._plan_fd = -1

    def __call__(self, handover: Handover) -> Command:
        if self._plan_fd < 0:
            self._plan_fd = os.memfd_create("framemill-plan")
            os.write(self._plan_fd, self._make_plan(handover).model_dump_json().encode())
        command = isolated("-m", "service.server.front", str(self._plan_fd))
        return Command(command, for_fronts(), (*handover.fds, *self._fds, self._plan_fd))


def _state_dir(settings: Settings, project: Project) -> Path:
    """Make the folder, where it can be had; see preflight.py for which it is."""
    chosen = chosen_state_dir(settings, project)
    try:
        chosen.mkdir(mode=0o755, parents=True, exist_ok=True)
        trouble = "" if os.access(chosen, os.W_OK) else "it cannot be written to"
    except OSError as error:
        trouble = error.strerror or str(error)
    if trouble and settings.state_dir:
        raise SettingsInvalid(f"state_dir: {chosen} cannot be used: {trouble}")
    if trouble:
        _log.warning("the Process switch and kept frames will not outlast this server: %s: %s", chosen, trouble)
    return chosen.resolve()


def _url(settings: Settings, open_to: Listener) -> str:
    host = f"[{open_to.host}]" if ":" in open_to.host else open_to.host
    return f"{'https' if settings.certfile else 'http'}://{host}:{open_to.port}/"
