"""How the process of alerts is started: what the supervisor knows of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from service.alerts.pages import create_page
from service.alerts.plan import NAME, AlertsPlan
from service.environment import for_fronts
from workers.isolated import isolated
from workers.supervisor.program import Command

if TYPE_CHECKING:
    from service.access.heirloom import Heirloom
    from service.results.door import Door
    from service.results.files import ResultsPlan
    from service.settings import Settings


class AlertsStart:
    """Makes its command anew at each start: each comes in by an end of its own. `told_fd` is what fronts read."""

    def __init__(
        self, door: Door, results: ResultsPlan, settings: Settings, *, heirloom: Heirloom, state_dir: Path, project: str
    ) -> None:
        """Raises SettingsInvalid where what is to be sent cannot be signed, OSError."""
        self._door = door
        self._results = results
        self._heirloom = heirloom
        self._settings = settings
        self._key = settings.read_webhook_key()
        self._state_dir = state_dir
        self._project = project
        self.told_fd = create_page("alerts")
        self._kept_fd = create_page("alerts-kept")
        self._plan_fd = os.memfd_create("framemill-alerts-plan")

    def __call__(self) -> Command:
        settings = self._settings
        plan = AlertsPlan(
            supervisor_pid=os.getpid(),
            alerts=settings.alerts,
            project=self._project,
            state_dir=self._state_dir,
            link_fd=self._door.for_program(NAME),
            heirloom_fd=self._heirloom.fd,
            frames_fd=self._door.frames_fd,
            told_fd=self.told_fd,
            kept_fd=self._kept_fd,
            results=self._results,
            webhook=settings.alert_webhook,
            webhook_key=self._key,
            webhook_ca_file=settings.alert_webhook_ca_file,
            webhook_proxy=settings.alert_webhook_proxy,
        )
        text = plan.model_dump_json().encode()
        os.pwrite(self._plan_fd, text, 0)
        os.ftruncate(self._plan_fd, len(text))
        line = isolated("-m", "service.alerts.process", str(self._plan_fd))
        return Command(line, for_fronts(), (*plan.fds, self._plan_fd))
