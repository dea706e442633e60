"""How the recorder is started: what the supervisor knows of it, without the database that it writes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from service.environment import for_fronts
from service.history.before_answer.asks import make_pairs
from service.history.pictures.proofs import create_proof_page, write_proofs
from service.history.plan import NAME, PICTURES, PicturesPlan, RecorderPlan
from service.history.told import create_page
from workers.isolated import isolated
from workers.supervisor.program import Command

if TYPE_CHECKING:
    from service.results.door import Door
    from service.settings import Settings
    from workers.flow.project import Project


class RecorderStart:
    """Makes its command anew at each start: each comes in by an end of its own. `told_fd` is what fronts read."""

    def __init__(self, door: Door, settings: Settings, state_dir: Path, history_url: str | None) -> None:
        self._door = door
        self._settings = settings
        self._state_dir = state_dir
        self._history_url = history_url
        self._started_ns = time.time_ns()
        self.told_fd = create_page()
        self._proof_fd = create_proof_page()
        self._plan_fd = os.memfd_create("framemill-recorder-plan")
        self._pairs = make_pairs(settings.fronts if settings.record == "before_answer" else 0)

    @property
    def asking_fds(self) -> tuple[int, ...]:
        """The fronts' ends, by their numbers, where answers wait for their records."""
        return tuple(end.fileno() for end in self._pairs.fronts)

    def enter(self, project: Project, running: Project) -> None:
        """Hear of a version before it sees a frame, and of the one that runs: pictures of both proofs go last."""
        write_proofs(self._proof_fd, [proof.path for one in (project, running) for proof in one.proofs])

    def __call__(self) -> Command:
        settings, pictures = self._settings, None
        if settings.keeps_pictures:
            pictures = PicturesPlan.of(settings, self._door.for_program(PICTURES), self._proof_fd)
        plan = RecorderPlan(
            supervisor_pid=os.getpid(),
            started_ns=self._started_ns,
            server=self._settings.server,
            state_dir=self._state_dir,
            history_url=self._history_url,
            link_fd=self._door.for_program(NAME),
            told_fd=self.told_fd,
            most_days=settings.history_days,
            most_records=settings.history_records,
            pictures=pictures,
            asking_fds=tuple(end.fileno() for end in self._pairs.recorder),
        )
        text = plan.model_dump_json().encode()
        os.pwrite(self._plan_fd, text, 0)
        os.ftruncate(self._plan_fd, len(text))
        line = isolated("-m", "service.beside.recorder", str(self._plan_fd))
        of_pictures = (pictures.link_fd, self._proof_fd) if pictures else ()
        return Command(line, for_fronts(), (plan.link_fd, self.told_fd, self._plan_fd, *plan.asking_fds, *of_pictures))
