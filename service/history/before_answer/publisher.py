"""Tells of frames as publish.py does, but has the record of each answer committed before that leaves."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from service.own_errors import NotRecorded
from service.results.publish import RingPublisher

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.history.before_answer.asking import Asking
    from service.results.ring import RingWriter
    from service.results.seats import Sleepers
    from service.results.story import Story
    from workers.pool.lease import Lease
    from workers.pool.reply import Reply

_log = logging.getLogger(__name__)


class RecordedPublisher(RingPublisher):
    """The ring has a record once its frame has its answer, or its error: once, as it ended."""

    def __init__(
        self,
        ring: RingWriter,
        sleepers: Sleepers,
        control: memoryview,
        count_left_out: Callable[[], None],
        asking: Asking,
    ) -> None:
        super().__init__(ring, sleepers, control, count_left_out)
        self._asking = asking

    def before(self, story: Story, reply: Reply, lease: Lease) -> None:
        """Have the record committed, or raise NotRecorded."""
        packed = self.packed(story, reply, lease)
        try:
            self._asking.record(packed, lease.deadline_ns)
        except NotRecorded:
            lease.need_not_stay()  # the record that the ring has of it then names no slot
            raise
        story.recorded = packed

    def answered(self, story: Story, reply: Reply, lease: Lease) -> None:
        """See Publisher: the same record, to the byte."""
        del reply, lease
        try:
            self.append(story.recorded)
        except Exception:  # noqa: BLE001 - whatever it was, the frame has its answer, and is on record
            _log.exception("the result of a frame is recorded, and could not be kept for who follows")
