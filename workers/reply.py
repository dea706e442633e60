"""What came back for a frame, read from a slot and checked before anybody relies on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from workers.errors import (
    DeadlineExceeded,
    FrameCancelled,
    FramemillError,
    OutOfMemory,
    WorkerCrashed,
    from_code,
)
from workers.slot import Outcome, Word

if TYPE_CHECKING:
    from workers.slot import Header

_SENTENCES: dict[int, FramemillError] = {
    Outcome.CRASHED: WorkerCrashed("the frame ended the worker processes that inspected it; it was given up"),
    Outcome.OVERDUE: DeadlineExceeded("the frame was not inspected by its deadline"),
    Outcome.CANCELLED: FrameCancelled("nobody waited for the frame any more"),
    Outcome.OUT_OF_MEMORY: OutOfMemory("the machine had no memory left for the frame"),
}


class ImpossibleAnswer(Exception):
    """What lies in the slot is no worker's answer to this frame: its worker wrote where it should not."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Where a frame's time went, in nanoseconds."""

    queue_ns: int = 0
    decode_ns: int = 0
    flow_ns: int = 0
    encode_ns: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: views into the slot, valid until the lease ends.

    `picture` and `context` lie one behind the other: `body` is both, ready for `context_in_body`.
    """

    body: memoryview
    image_bytes: int
    timings: Timings
    verdict: bool | None = None

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
    words = header.words
    outcome = words[Word.OUTCOME]
    sentence = _SENTENCES.get(outcome)
    if sentence is not None:
        raise type(sentence)(sentence.message)
    image_bytes, json_bytes = words[Word.IMAGE_BYTES], words[Word.JSON_BYTES]
    possible = outcome in {Outcome.ANSWERED, Outcome.REFUSED} and image_bytes + json_bytes <= len(area)
    if not possible or not header.is_sealed(generation):
        raise ImpossibleAnswer("an answer that cannot be right")
    body = area[: image_bytes + json_bytes]
    if outcome == Outcome.REFUSED:
        raise _refusal(body)
    timings = Timings(
        queue_ns=max(0, words[Word.STARTED_NS] - words[Word.QUEUED_NS]),
        decode_ns=words[Word.DECODE_NS],
        flow_ns=words[Word.FLOW_NS],
        encode_ns=words[Word.ENCODE_NS],
    )
    verdict = {1: True, 2: False}.get(words[Word.VERDICT])
    return Reply(body=body, image_bytes=image_bytes, timings=timings, verdict=verdict)


def _refusal(body: memoryview) -> FramemillError:
    try:
        error = orjson.loads(body)
        return from_code(str(error["code"]), str(error["message"]))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise ImpossibleAnswer("an error that cannot be read") from None
