"""All that fronts and followers share of results: made by the supervisor, handed on as descriptors."""

from __future__ import annotations

from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from service.results.ring import RingFile, committed_of, create_ring
from service.results.seats import Follows, SeatFiles, create_seats, followers

_PART_MIB = 1  # some 2,000 parts


class ResultsPlan(BaseModel):
    """What a front needs of it: descriptors by number, which it inherits."""

    model_config = ConfigDict(frozen=True)

    rings: tuple[int, ...]
    pages: tuple[int, ...]
    wakes: tuple[int, ...]
    read_desk: int

    @property
    def part_ring(self) -> int:
        """The ring of the part desk, behind those of the fronts."""
        return self.rings[-1]

    @property
    def fds(self) -> tuple[int, ...]:
        """Every descriptor that a front must inherit."""
        return (*self.rings, *self.pages, *self.wakes, self.read_desk)

    def followers(self) -> list[Follows]:
        """Who follows, or did last."""
        return followers(self.pages, self.read_desk, [committed_of(ring) for ring in self.rings])


class ResultsFiles(NamedTuple):
    """The supervisor's: a ring for each front, one behind them for the part desk, and the seats."""

    rings: tuple[RingFile, ...]
    seats: SeatFiles

    @classmethod
    def create(cls, fronts: int, mib: int) -> Self:
        """Make them; raises NotEnoughMemory, OSError."""
        of_fronts = [create_ring(front, mib) for front in range(fronts)]
        return cls((*of_fronts, create_ring(fronts, _PART_MIB)), create_seats())

    @property
    def plan(self) -> ResultsPlan:
        """What a front is handed."""
        seats = self.seats
        return ResultsPlan(
            rings=tuple(ring.fd for ring in self.rings),
            pages=seats.pages,
            wakes=seats.wakes,
            read_desk=seats.read_desk,
        )
