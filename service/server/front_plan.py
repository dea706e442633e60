"""What the supervisor hands over to the fronts. Apart from them, so that it does not load what speaks HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

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
    state_dir: Path
    version_places: tuple[Path, ...]
    project_name: str
    api_key: str | None
    stop_key: str | None
    supervisor_pid: int
    results: ResultsPlan | None = None
    recorder_fd: int | None = None
    alerts_fd: int | None = None
