"""A camera posts a frame and gets its answer: the story of a request, from top to bottom.

Everything that can be refused without the frame is refused before a slot is taken and before a byte is read.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import falcon

from service.access.key_check import admit
from service.analysis.expecting import await_worker
from service.analysis.views import MOST_RESULT_BYTES, with_part
from service.analysis.wish import Wish, client_of, note_end
from service.intake.body import RequestBody, declared_length
from service.intake.forms import is_form
from service.intake.params import asked, query_values, with_fields
from service.logs.trace import TRACE
from service.results.story import Story
from service.threads.repeat import remember
from workers.errors import (
    DeadlineExceeded,
    FramemillError,
    IncompleteBody,
    NoFreeSlot,
    NotInTime,
    WorkerCrashed,
)
from workers.pool.job import Job, Task

if TYPE_CHECKING:
    from service.alerts.holds import Holds
    from service.analysis.answer import Answering
    from service.analysis.counters import Counters
    from service.analysis.quarantine import Quarantine
    from service.analysis.views import Views
    from service.api.switch import ProcessSwitch
    from service.inputs.operator_inputs import OperatorInputs
    from service.intake.body import Bring, Received
    from service.intake.sources import Source
    from service.logs.trace import Trace
    from service.results.publish import Publisher
    from service.settings import Settings
    from workers.pool.lease import Lease
    from workers.pool.pool import Pool
    from workers.pool.reply import Reply


_NEVER_MS = 1 << 40
_MS_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class Desk:
    """What the resources below share: where frames go, how answers leave, and what is counted."""

    pool: Pool
    settings: Settings
    answering: Answering
    counters: Counters
    quarantine: Quarantine
    switch: ProcessSwitch
    holds: Holds
    publisher: Publisher
    views: Views
    inputs: OperatorInputs

    def handle(self, req: falcon.Request, resp: falcon.Response, source: Source) -> None:
        """Take a slot, fill it, have it inspected, and answer."""
        begun_ns = time.monotonic_ns()
        story, wish = Story(client_of(req), begun_ns, trace=req.env[TRACE]), None
        try:
            body = RequestBody(req, self.pool.request_bytes)
            wish = self._understand(req, source, body, story)
            await_worker(self.pool, self.settings)
            self.pool.entry.foresee(self._due_ns(wish, begun_ns), self._client(wish))
            with ExitStack() as until_sent:
                lease = until_sent.enter_context(self._lease(wish, body, begun_ns))
                reply = self._inspect(lease, wish, body, story)
                if not reply.image_bytes and not is_form(req):
                    remember(req.env, partial(self.again, wish))
                if not self.views.may_have_part(wish):
                    self.answering.write(req, resp, wish.asked, reply, until_sent)
                    self.publisher.answered(story, reply, lease)
                else:  # its part hears of it once it is on record, and can be in its answer
                    self.answering.check(wish.asked, reply, MOST_RESULT_BYTES)
                    self.publisher.answered(story, reply, lease)
                    result = self.views.answered(wish, story, reply)
                    self.answering.write(req, resp, wish.asked, reply, until_sent, result)
                note_end(story, wish, reply)
        except FramemillError as error:
            raise self._failed(error, wish, story) from error.__cause__
        except Exception as error:
            self._told_failed(error, wish, story)
            raise

    def _understand(self, req: falcon.Request, source: Source, body: RequestBody, story: Story) -> Wish:
        """Read what is asked for; a form is received for that, for it may hold any parameter."""
        values = query_values(req)
        wanted = asked(values)
        length = declared_length(req, self.pool.request_bytes)
        if is_form(req):
            form = body.form(source.part)
            admit(req, form.fields)
            values = with_fields(values, form.fields)
            wanted, length = asked(values), len(form.frame)
        wish = Wish(source, values, wanted, client_of(req))
        story.client, story.about = wish.client, wish.about
        self.views.check(wish)
        source.check(req, values, length)
        return wish

    def again(self, wish: Wish, bring: Bring, body_bytes: int, trace: Trace, part: str = "") -> bytes | None:
        """Do once more what was done before, for the next frame of the same camera; see repeat.Again."""
        wish = wish.of_part(part)
        begun_ns = time.monotonic_ns()
        takes = self.pool.control.takes_frames and wish.takes(body_bytes, self.pool.request_bytes)
        if not takes or not self.views.takes(wish):
            return None
        story = Story(wish.client, begun_ns, wish.about, trace)
        try:
            with self._lease(wish, bring, begun_ns) as lease:
                reply = self._inspect(lease, wish, bring, story)
                self.publisher.answered(story, reply, lease)
                note_end(story, wish, reply)
                return with_part(bytes(reply.context), self.views.answered(wish, story, reply))
        except FramemillError as error:
            raise self._failed(error, wish, story) from error.__cause__
        except Exception as error:
            self._told_failed(error, wish, story)
            raise

    def _lease(self, wish: Wish, bring: Bring, begun_ns: int) -> Lease:
        deadline_ns, client, scarce = self._due_ns(wish, begun_ns), self._client(wish), self.pool.is_scarce
        if scarce:  # then it may have to wait for the frame
            self.pool.entry.foresee(deadline_ns, client)
        bring.prepare(scarce=scarce)
        return self.pool.lease(deadline_ns, self.settings.queue_ms, client)

    def _client(self, wish: Wish) -> str:
        return wish.client if self.switch.is_on else ""  # then no flow has to see it

    def _due_ns(self, wish: Wish, begun_ns: int) -> int:
        return begun_ns + min(self.settings.deadline_ms, wish.asked.deadline_ms or _NEVER_MS) * _MS_NS

    def _failed(self, error: FramemillError, wish: Wish | None, story: Story) -> FramemillError:
        """Count and tell an error; returns it as the client has it: its own deadline is none that gets longer."""
        is_refused = isinstance(error, NoFreeSlot)
        if isinstance(error, NotInTime):
            self.counters.count("frames.not_begun")
            if wish is not None and 0 < wish.asked.deadline_ms < self.settings.deadline_ms:
                error = DeadlineExceeded(error.message)
        self.counters.failed(error)
        self._told_failed(error, wish, story, is_refused=is_refused)
        return error

    def _told_failed(self, error: Exception, wish: Wish | None, story: Story, *, is_refused: bool = False) -> None:
        note_end(story, wish)
        self.publisher.failed(story, error, is_refused=is_refused)
        if not is_refused:
            self.views.failed(wish, story, error)

    def _inspect(self, lease: Lease, wish: Wish, bring: Bring, story: Story) -> Reply:
        taken_ns = time.monotonic_ns()
        story.came_ns, story.slot, story.waiting_ns = lease.came_ns, lease.slot, taken_ns - story.begun_ns
        received = wish.source.fill(bring, wish.values, lease.area)
        story.frame_bytes = received.length
        reply = self._run(lease, self._job(wish, received, story), received, bring.client_fd, story.trace.packed)
        story.receiving_ns = max(0, min(lease.filled_ns, time.monotonic_ns()) - taken_ns)
        self.publisher.before(story, reply, lease)
        self.counters.answered(reply, received.length, story)
        return reply

    def _job(self, wish: Wish, received: Received, story: Story) -> Job:
        if not received.length:
            raise IncompleteBody("the body is empty; an image was expected")
        held = story.held = self.holds.name
        if not self.switch.is_on:
            return wish.job(received, Task.MEASURE, held=held)
        given = self.inputs.now
        if given is not None:
            story.input_revision = given.revision
        return wish.job(received, Task.INSPECT, given, held)

    def _run(self, lease: Lease, job: Job, received: Received, client_fd: int, asked: bytes) -> Reply:
        try:
            return lease.run(job, received.length, client_fd, received.rest, asked)
        except WorkerCrashed:
            if not self.quarantine.keep(job, lease.area[: received.length]):
                self.counters.count("frames.not_kept")
            raise


class Analyze:
    """The resource behind an `analyze` path."""

    def __init__(self, desk: Desk, source: Source) -> None:
        self._desk = desk
        self._source = source

    def on_post(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Analyse the frame that the request brings or names."""
        self._desk.handle(req, resp, self._source)


class AnalyzeUpload(Analyze):
    """The same for frames in the body, which may come in more ways."""

    on_put = Analyze.on_post

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Analyse the frame in a form; some clients send one with GET."""
        if not is_form(req):
            raise falcon.HTTPMethodNotAllowed(["POST", "PUT"])
        self.on_post(req, resp)
