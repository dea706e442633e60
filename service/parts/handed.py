"""What the supervisor hands to fronts of parts: descriptors by number, which they inherit."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class PartsPlan(BaseModel):
    """The fronts' ends of the links to the part desk, by their numbers, and the pages that they read."""

    model_config = ConfigDict(frozen=True)

    links: tuple[int, ...]
    plans_fd: int
    counts_fd: int

    @property
    def fds(self) -> tuple[int, ...]:
        """Every descriptor that a front must inherit."""
        return (*self.links, self.plans_fd, self.counts_fd)
