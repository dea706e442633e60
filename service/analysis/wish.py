"""What a request asks for, apart from its frame: made once for all requests of a camera that say the same."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from service.logs.request_log import LOG
from service.logs.trace import FrameEnd
from service.results.record import about_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import falcon

    from service.inputs.operator_inputs import Given
    from service.intake.body import Received
    from service.intake.params import Asked
    from service.intake.sources import Source
    from service.results.story import Story
    from workers.pool.job import Job, Task
    from workers.pool.reply import Reply

_KNOWN = 4


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for, apart from its frame."""

    source: Source
    values: Mapping[str, str]
    asked: Asked
    client: str  # the name of its key, or its address
    jobs: dict[tuple[int, Task, int | None], Job] = field(
        default_factory=dict
    )  # by the frame's length: a camera's are all alike
    lengths: set[int] = field(default_factory=set)  # of bodies that `source` takes
    about: bytes = field(init=False)  # as a record of what became of a frame has it

    def __post_init__(self) -> None:
        """Write once what each frame's record says."""
        asked = self.asked
        told = about_bytes(self.client, asked.camera or self.client, asked.part, asked.data, asked.view)
        object.__setattr__(self, "about", told)

    @property
    def view(self) -> str:
        """Which view of its part the frame is: as the client says it, else its camera, else who sent it."""
        return self.asked.view or self.asked.camera or self.client

    def of_part(self, part: str) -> Wish:
        """Return the same wish for another part; none stands for the same one."""
        if not part or part == self.asked.part:
            return self
        jobs = {key: replace(job, part=part) for key, job in [*self.jobs.items()]}
        return replace(self, asked=replace(self.asked, part=part), jobs=jobs)

    def takes(self, body_bytes: int, largest_bytes: int) -> bool:
        """Whether the same request may bring a plain body of `body_bytes`."""
        if body_bytes in self.lengths:
            return True
        taken = self.source.takes(self.values, body_bytes, largest_bytes)
        if taken and len(self.lengths) < _KNOWN:
            self.lengths.add(body_bytes)
        return taken

    def job(self, received: Received, task: Task, given: Given | None = None, held: str = "") -> Job:
        """Say what the workers are to do with the frame that came.

        `given` is what operators have set, `held` the alert that holds the line.
        """
        key = received.length, task, given and given.revision
        known = self.jobs.get(key)
        if known is None:
            described = self.source.describe(self.values, received.length)
            asked = self.asked
            camera = asked.camera or self.client
            known = replace(
                described,
                task=task,
                response=asked.response,
                data=asked.data,
                camera=camera,
                part=asked.part,
                view=asked.view,
                inputs=given.packed if given else b"",
            )
            # files differ in length from frame to frame, raw frames do not; nor do all of one revision come back
            if len(self.jobs) >= _KNOWN and any(old[2] != key[2] for old in self.jobs):
                self.jobs.clear()
            if len(self.jobs) < _KNOWN:
                self.jobs[key] = known
        return replace(known, held=held) if held else known


def note_end(story: Story, wish: Wish | None, reply: Reply | None = None) -> None:
    """Leave what a line of the log tells of a frame that has its end; `reply` is None for an error."""
    if not LOG.is_on:
        return
    camera, part, view = (wish.asked.camera, wish.asked.part, wish.asked.view) if wish is not None else ("", "", "")
    frame_id = "%016x%02x" % (story.came_ns, story.slot) if story.slot >= 0 else ""  # noqa: UP031 - as Origin has it
    end = FrameEnd(story.client, camera or story.client, part, frame_id, story.frame_bytes, view=view)
    if reply is not None:
        times = reply.timings
        run_ns = times.decode_ns + times.flow_ns + times.encode_ns
        end = end._replace(
            is_answered=True,
            verdict=reply.verdict,
            queue_ns=times.queue_ns,
            run_ns=run_ns,
            flow_failed=reply.failed_in > 0,
            held=story.held,
        )
    story.trace.frame = end


def client_of(req: falcon.Request) -> str:
    """Who asks, for a fair share: the name of its key, or its address where there are no keys."""
    return getattr(req.context, "client", None) or str(req.remote_addr)
