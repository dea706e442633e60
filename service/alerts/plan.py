"""What the process of alerts is told by the supervisor, and what fronts are told of it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from service.alert_settings import AnyAlert
from service.results.files import ResultsPlan

NAME = "alerts"
"""Of the process, as a follower of results."""


class AlertsPlan(BaseModel):
    """Passed as JSON; descriptors by number, which it inherits.

    `told_fd` is the page that fronts read, `kept_fd` the one for who follows this process, `frames_fd` the frame
    memory, for reading alone.
    """

    model_config = ConfigDict(frozen=True)

    supervisor_pid: int
    alerts: tuple[AnyAlert, ...]
    project: str
    state_dir: Path
    link_fd: int
    heirloom_fd: int
    frames_fd: int
    told_fd: int
    kept_fd: int
    results: ResultsPlan
    webhook: str | None
    webhook_key: str | None
    webhook_ca_file: Path | None
    webhook_proxy: str | None

    @property
    def fds(self) -> tuple[int, ...]:
        """Every descriptor that it must inherit."""
        own = (self.link_fd, self.heirloom_fd, self.frames_fd, self.told_fd, self.kept_fd)
        return (*own, *self.results.fds)
