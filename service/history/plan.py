"""What the recorder is told by the supervisor. Apart from it, for the supervisor has no use for a database."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

from pydantic import BaseModel, ConfigDict, Field

from service.results.seats import Wants

if TYPE_CHECKING:
    from service.history_settings import HistorySettings
    from service.results.follow import Follower

NAME = "history"  # as a follower of results
PICTURES = "pictures"  # as another one, for the sake of pictures
_MIB = 1 << 20


class PicturesPlan(BaseModel):
    """Passed to the recorder as JSON; `link_fd` is its end of a connection for who follows for the sake of pictures.

    `proof_fd` has the frames of the project's proof, see pictures/proofs.py.
    """

    model_config = ConfigDict(frozen=True)

    link_fd: int
    proof_fd: int | None = None
    nok: bool
    all: bool
    every: int
    most_bytes: int
    most_days: int
    free_bytes: int
    format: str
    quality: int

    @classmethod
    def of(cls, settings: HistorySettings, link_fd: int, proof_fd: int | None) -> Self:
        """As the settings have it."""
        return cls(
            link_fd=link_fd,
            proof_fd=proof_fd,
            nok=settings.pictures != "none",
            all=settings.pictures == "all",
            every=settings.pictures_every,
            most_bytes=settings.pictures_mib * _MIB,
            most_days=settings.pictures_days,
            free_bytes=settings.free_disk_mib * _MIB,
            format=settings.pictures_format,
            quality=settings.pictures_quality,
        )

    def ask(self, follower: Follower) -> None:
        """Have frames stay whose pictures are to be kept."""
        wants = (Wants.NOK | Wants.SAVE) * self.nok | Wants.OK * self.all | Wants.EVERY * (self.every > 0)
        follower.want_pictures(wants, max(1, self.every))


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
    asking_fds: tuple[int, ...] = ()  # where answers wait for their records, by the numbers of fronts
    pictures: PicturesPlan | None = None
