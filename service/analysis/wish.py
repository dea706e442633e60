"""What a request asks for, apart from its frame: made once for all requests of a camera that say the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from service.results.record import about_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import falcon

    from service.intake.body import Received
    from service.intake.params import Asked
    from service.intake.sources import Source
    from workers.pool.job import Job, Task

_KNOWN = 4


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for, apart from its frame."""

    source: Source
    values: Mapping[str, str]
    asked: Asked
    client: str  # the name of its key, or its address
    jobs: dict[tuple[int, Task], Job] = field(default_factory=dict)  # by the frame's length: a camera's are all alike
    lengths: set[int] = field(default_factory=set)  # of bodies that `source` takes
    about: bytes = field(init=False)  # as a record of what became of a frame has it

    def __post_init__(self) -> None:
        """Write once what each frame's record says."""
        asked = self.asked
        told = about_bytes(self.client, asked.camera or self.client, asked.part, asked.data)
        object.__setattr__(self, "about", told)

    def takes(self, body_bytes: int, largest_bytes: int) -> bool:
        """Whether the same request may bring a plain body of `body_bytes`."""
        if body_bytes in self.lengths:
            return True
        taken = self.source.takes(self.values, body_bytes, largest_bytes)
        if taken and len(self.lengths) < _KNOWN:
            self.lengths.add(body_bytes)
        return taken

    def job(self, received: Received, task: Task) -> Job:
        """Say what the workers are to do with the frame that came."""
        known = self.jobs.get((received.length, task))
        if known is None:
            described = self.source.describe(self.values, received.length)
            asked = self.asked
            camera = asked.camera or self.client
            known = replace(
                described, task=task, response=asked.response, data=asked.data, camera=camera, part=asked.part
            )
            # files differ in length from frame to frame, raw frames do not
            if len(self.jobs) < _KNOWN:
                self.jobs[received.length, task] = known
        return known


def client_of(req: falcon.Request) -> str:
    """Who asks, for a fair share: the name of its key, or its address where there are no keys."""
    return getattr(req.context, "client", None) or str(req.remote_addr)
