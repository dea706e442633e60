"""What the recorder is told by the supervisor. Apart from it, for the supervisor has no use for a database."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

NAME = "history"  # as a follower of results


class RecorderPlan(BaseModel):
    """Passed as JSON; descriptors by number, which it inherits."""

    model_config = ConfigDict(frozen=True)

    supervisor_pid: int
    started_ns: int
    server: str
    state_dir: Path
    history_url: str | None = Field(repr=False)
    link_fd: int
    told_fd: int
    most_days: int
    most_records: int
