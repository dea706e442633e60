"""What the supervisor hands over to the fronts. Apart from them, so that it does not load what speaks HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.history.places.place import Place, place_in
from service.parts.handed import PartsPlan
from service.results.files import ResultsPlan
from workers.pool.handover import Handover


class FrontPlan(BaseModel):
    """What a front needs to know, passed as JSON."""

    model_config = ConfigDict(frozen=True)

    handover: Handover
    settings: dict[str, Any]
    listen_fd: int
    listener_is_ours: bool
    heirloom_fd: int
    inputs_fd: int
    state_dir: Path
    parts: PartsPlan
    version_places: tuple[Path, ...]
    project_name: str
    api_key: str | None
    stop_key: str | None
    supervisor_pid: int
    results: ResultsPlan | None = None
    recorder_fd: int | None = None
    asking_fds: tuple[int, ...] = ()
    alerts_fd: int | None = None
    history_url: str | None = Field(default=None, repr=False)

    @property
    def history_place(self) -> Place | None:
        """Where the history is; None where this server keeps none."""
        return place_in(self.state_dir, self.history_url) if self.recorder_fd is not None else None
