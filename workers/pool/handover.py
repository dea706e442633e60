"""What a front needs to find the pool: file descriptors by number, and the layout behind them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from workers.memory.arena import ArenaFile
from workers.pool.channel import Channel


class Handover(BaseModel):
    """Passed from the supervisor to the fronts as JSON; the descriptors are inherited."""

    model_config = ConfigDict(frozen=True)

    arena: ArenaFile
    channel: Channel
    supervisor_fd: int

    @property
    def fds(self) -> tuple[int, ...]:
        """Every descriptor that a front must inherit."""
        return (self.arena.fd, self.supervisor_fd, *self.channel.front_fds)
