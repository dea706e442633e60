"""A slot in the hands of a front, from its filling to the end of its answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

from workers.errors import DeadlineExceeded, FrameCancelled, FrameTooLarge, InternalError, NoFreeSlot
from workers.memory.slot import NOT_SAID, Header, State, Word
from workers.pool.exchange import Rest
from workers.pool.job import Job, Task
from workers.pool.reply import ImpossibleAnswer, Reply, read_reply, times

# has the job in a slot, whose header and request area these are, done as soon as the rest of its frame has come (None
# where nothing is missing); returns when the slot is DONE, its deadline has passed, or the client, whose socket is the
# third argument (-1 for none), has gone
Dispatch = Callable[[Header, memoryview, int, Rest | None], None]


class Lease:
    """One slot, for one frame, until the end of a `with` block.

    `areas` are the slot's request and reply area; `release` takes the slot back and is told whether it holds a frame
    that was inspected; `doubt` hears of a worker that left what cannot be an answer; `retry_after_s` says how long a
    client had better wait whose frame was not begun, `where` in which module a frame is; `stay` lets it stay.
    """

    __slots__ = (
        "_dispatch",
        "_doubt",
        "_generation",
        "_header",
        "_inspected",
        "_release",
        "_reply_area",
        "_retry_after_s",
        "_stay",
        "_where",
        "area",
        "came_ns",
        "deadline_ns",
    )

    def __init__(  # noqa: PLR0917 - what its pool does for it
        self,
        header: Header,
        areas: tuple[memoryview, memoryview],
        dispatch: Dispatch,
        release: Callable[[Header, bool], None],
        doubt: Callable[[int], None],
        retry_after_s: Callable[[], int],
        where: Callable[[Header], str],
        stay: Callable[[Header, int, bool], int],
    ) -> None:
        self.area, self._reply_area = areas
        self._header = header
        # our own: a worker that writes at random may change what stands in the header
        self._generation = header.words[Word.GENERATION]
        self.deadline_ns = header.words[Word.DEADLINE_NS]  # when the answer is due, CLOCK_MONOTONIC
        self.came_ns = header.words[Word.CAME_NS]  # when the request came, CLOCK_REALTIME
        self._dispatch = dispatch
        self._release = release
        self._doubt = doubt
        self._retry_after_s = retry_after_s
        self._where = where
        self._stay = stay
        self._inspected = False

    def __enter__(self) -> Self:
        """Hold the slot."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self._release(self._header, self._inspected)

    @property
    def slot(self) -> int:
        """Which slot it is."""
        return self._header.index

    @property
    def filled_ns(self) -> int:
        """When the frame was all there, CLOCK_MONOTONIC; a worker that writes at random may have changed it."""
        return self._header.words[Word.QUEUED_NS]

    def run(
        self, job: Job, frame_bytes: int, client_fd: int = -1, rest: Rest | None = None, asked: bytes = NOT_SAID
    ) -> Reply:
        """Have the first `frame_bytes` of the area treated as `job` says, and wait for the answer.

        `client_fd` is the socket of the client that wants it, -1 for none; `rest` is what of the frame is to come.
        `asked` is what the request is called (memory/slot.py).

        Raises:
            FrameTooLarge: the frame is larger than the area.
            FrameCancelled: the client closed its connection; a frame that still waited is not inspected.
            DeadlineExceeded: no answer came in time; the slot comes back to its front once no worker can touch it.
            NoFreeSlot: it was not begun, for want of time (NotInTime) or to make room for a client that has less.
            FramemillError: what the worker, or the supervisor on its behalf, said instead of an answer.
            And what `rest.receive` raises: then no worker has seen the frame.
        """
        if frame_bytes > len(self.area):
            raise FrameTooLarge(f"the frame has {frame_bytes} bytes, at most {len(self.area)} are accepted")
        header, words = self._header, self._header.words
        header.job = job.pack()
        header.asked = asked
        words[Word.REQUEST_BYTES] = frame_bytes
        words[Word.DEATHS] = 0
        words[Word.OUTCOME] = 0
        self._dispatch(header, self.area, client_fd, rest)
        if header.state is not State.DONE:
            if time.monotonic_ns() < words[Word.DEADLINE_NS]:
                raise FrameCancelled("the client went away before its frame was inspected")
            raise DeadlineExceeded(f"the frame was not inspected by its deadline: {self._so_far()}")
        try:
            reply = read_reply(header, self._reply_area, self._generation)
        except NoFreeSlot as error:
            raise type(error)(error.message, self._retry_after_s()) from None
        except ImpossibleAnswer as error:
            self._doubt(words[Word.OWNER_PID])
            raise InternalError(f"a worker left {error}") from None
        self._inspected = job.task is Task.INSPECT
        return reply

    def stay(self, followers: int, *, is_urgent: bool = True) -> int:
        """Let an inspected frame stay for these followers, each a bit, once the lease has ended.

        Of one that is not urgent some room is left to those that are.
        Returns which of the frames that sat in the slot it is; 0 where it cannot stay.
        """
        return self._stay(self._header, followers, is_urgent) if self._inspected else 0

    def need_not_stay(self) -> None:
        """Take that back, for the frame has no answer, and nobody hears of its slot."""
        self._stay(self._header, 0, False)

    def _so_far(self) -> str:
        header, now_ns = self._header, time.monotonic_ns()
        if header.state is State.RUNNING:
            return times(header, now_ns, self._where(header))
        waited_ms = max(0, now_ns - header.words[Word.QUEUED_NS]) // 1_000_000
        return f"it waited {waited_ms} ms and was not begun"
