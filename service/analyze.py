"""A camera posts a frame and gets its answer: the story of a request, from top to bottom.

Everything that can be refused without the frame is refused before a slot is taken and before a byte is read.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import falcon

from service.body import is_form
from service.params import asked, query_values
from workers.errors import FramemillError, IncompleteBody, NotReady, WorkerCrashed
from workers.job import Job, Task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service.answer import Answering
    from service.body import Received
    from service.counters import Counters
    from service.params import Asked
    from service.quarantine import Quarantine
    from service.settings import Settings
    from service.sources import Source
    from workers.lease import Lease
    from workers.pool import Pool
    from workers.reply import Reply


_REPLACEMENT_S = 0.002


@dataclass(frozen=True, slots=True)
class Desk:
    """What the resources below share: where frames go, how answers leave, and what is counted."""

    pool: Pool
    settings: Settings
    answering: Answering
    counters: Counters
    quarantine: Quarantine

    def handle(self, req: falcon.Request, resp: falcon.Response, source: Source) -> None:
        """Take a slot, fill it, have it inspected, and answer."""
        try:
            self._handle(req, resp, source)
        except FramemillError as error:
            self.counters.failed(error)
            raise

    def _handle(self, req: falcon.Request, resp: falcon.Response, source: Source) -> None:
        begun = time.monotonic_ns()
        values = query_values(req)
        wanted = asked(values)
        source.check(req, values, self.pool.request_bytes)
        self._await_worker()
        with ExitStack() as until_sent:
            deadline_ns = begun + self.settings.deadline_ms * 1_000_000
            lease = until_sent.enter_context(self.pool.lease(deadline_ns, self.settings.queue_ms))
            taken = time.monotonic_ns()
            received = source.fill(req, values, lease.area, self.settings.body_ms / 1000)
            filled = time.monotonic_ns()
            job = self._job(source, values, wanted, received)
            reply = self._run(lease, job, received.length)
            self.counters.answered(reply, received.length, taken - begun, filled - taken)
            self.answering.write(req, resp, wanted, reply, until_sent)

    def _await_worker(self) -> None:
        """Bear with workers that are just being replaced: that takes milliseconds."""
        give_up = time.monotonic() + self.settings.queue_ms / 1000
        while not self.pool.control.workers_ready:
            if time.monotonic() > give_up:
                raise NotReady("no worker is ready to inspect a frame; the server is starting, stopping or in trouble")
            time.sleep(_REPLACEMENT_S)

    def _job(self, source: Source, values: Mapping[str, str], wanted: Asked, received: Received) -> Job:
        if not received.length:
            raise IncompleteBody("the body is empty; an image was expected")
        job = source.describe({**values, **received.fields} if received.fields else values, received.length)
        task = Task.INSPECT if self.pool.control.process_is_on else Task.MEASURE
        return replace(job, task=task, response=wanted.response, data=wanted.data)

    def _run(self, lease: Lease, job: Job, length: int) -> Reply:
        try:
            return lease.run(job, length)
        except WorkerCrashed:
            self.quarantine.keep(job, lease.area[:length])
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
