"""What came back for a frame, read from a slot and checked before anybody relies on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from workers.errors import (
    DeadlineExceeded,
    FrameCancelled,
    FramemillError,
    NoFreeSlot,
    NotInTime,
    OutOfMemory,
    WorkerCrashed,
    from_code,
)
from workers.memory.slot import Outcome, Word

if TYPE_CHECKING:
    from workers.memory.slot import Header

_SENTENCES: dict[int, FramemillError] = {
    Outcome.CRASHED: WorkerCrashed("the frame ended the worker processes that inspected it; it was given up"),
    Outcome.OVERDUE: DeadlineExceeded("the frame was not inspected by its deadline"),
    Outcome.CANCELLED: FrameCancelled("nobody waited for the frame any more"),
    Outcome.TOO_LATE: NotInTime("the frame was not begun: the flow lately takes longer than was left"),
    Outcome.PUSHED_OUT: NoFreeSlot("the frame was not begun: the server is full, and others have fewer frames in it"),
    Outcome.OUT_OF_MEMORY: OutOfMemory("the machine had no memory left for the frame"),
}


_ANSWERS = frozenset({Outcome.ANSWERED, Outcome.REFUSED})
_VERDICTS = {1: True, 2: False}


class ImpossibleAnswer(Exception):
    """What lies in the slot is no worker's answer to this frame: its worker wrote where it should not."""


class Timings(NamedTuple):
    """Where a frame's time went, in nanoseconds."""

    queue_ns: int = 0
    decode_ns: int = 0
    flow_ns: int = 0
    encode_ns: int = 0


class Reply(NamedTuple):
    """An answer: views into the slot, valid until the lease ends.

    `picture` and `context` lie one behind the other: `body` is both, ready for `context_in_body`. `failed_in`
    is 0 for a frame without an error, else 1 + the place of the module that it was in (memory/module_table.py).
    """

    body: memoryview
    image_bytes: int
    timings: Timings
    verdict: bool | None = None
    failed_in: int = 0

    @property
    def picture(self) -> memoryview:
        """The PNG; empty where none was asked for."""
        return self.body[: self.image_bytes]

    @property
    def context(self) -> memoryview:
        """The context as UTF-8 JSON."""
        return self.body[self.image_bytes :]


def read_reply(header: Header, area: memoryview, generation: int) -> Reply:
    """Read the outcome of a DONE slot whose reply area is `area`; `generation` is the frame that was put there.

    Raises:
        FramemillError: the frame ended in an error.
        ImpossibleAnswer: what the worker wrote is none.
    """
    ended = header.words[Word.OUTCOME]
    sentence = _SENTENCES.get(ended)
    if ended == Outcome.OVERRUN:
        what = header.limited or "the frame ran longer than run_ms allows"
        where = times(header, header.words[Word.DONE_NS], header.place(generation))
        raise DeadlineExceeded(f"{what}; the process that ran it was ended: {where}")
    if sentence is not None:
        raise type(sentence)(sentence.message)
    answer = header.answer(generation)
    if answer is None:
        raise ImpossibleAnswer("an answer that cannot be right")
    started_ns, _, outcome, image_bytes, json_bytes, *_, decode_ns, flow_ns, encode_ns, verdict, failed_in = answer
    if outcome not in _ANSWERS or image_bytes + json_bytes > len(area):
        raise ImpossibleAnswer("an answer that cannot be right")
    body = area[: image_bytes + json_bytes]
    if outcome == Outcome.REFUSED:
        raise _refusal(body)
    timings = Timings(max(0, started_ns - header.words[Word.QUEUED_NS]), decode_ns, flow_ns, encode_ns)
    return Reply(body, image_bytes, timings, _VERDICTS.get(verdict), failed_in)


def times(header: Header, now_ns: int, place: str) -> str:
    """Say how long a frame has waited and run, and where it was seen."""
    queued_ns, started_ns = header.words[Word.QUEUED_NS], header.words[Word.STARTED_NS]
    waited_ms, ran_ms = max(0, started_ns - queued_ns) // 1_000_000, max(0, now_ns - started_ns) // 1_000_000
    told = f"it waited {waited_ms} ms and ran {ran_ms} ms"
    return f"{told}, {place}" if place else told


def _refusal(body: memoryview) -> FramemillError:
    try:
        error = orjson.loads(body)
        return from_code(str(error["code"]), str(error["message"]))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise ImpossibleAnswer("an error that cannot be read") from None
