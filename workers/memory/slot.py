"""A slot: the memory one frame sits in, and the header that says whose it is.

Header (16 KiB; words are unsigned 64-bit, native order, each written by one side at a time)::

    word  0  magic and version          supervisor, once
          1  state                      see MOVES
          2  generation                 front; counts the frames that sat here
          3  deadline_ns                front; until when its client waits, CLOCK_MONOTONIC
          4  owner_pid                  worker; who runs it
          5  deaths                     supervisor; workers lost on this frame
          6  request_bytes              front; length of the frame
          7  cancelled                  front; the generation nobody waits for any more
          8  job_bytes                  front; length of the packed job
          9  accepted_ns                front
         10  queued_ns                  front; when the frame was all there
         11  started_ns                 worker; before it moves to RUNNING: from then on run_ms counts
         12  done_ns                    worker or supervisor
         13  outcome                    worker or supervisor, or the front that takes it back; see Outcome
         14  image_bytes                worker; the answer's picture, at 0 of the reply area
         15  json_bytes                 worker; the answer's JSON, right behind the picture
         16  kept_at                    worker; offset of what /last_image needs, 0 where nothing is kept
         17  kept_image_bytes           worker; see inspector.py
         18  kept_heat_bytes            worker
         19  final_width_px             worker; size of the flow's final image
         20  final_height_px            worker
         21  final_channels             worker
         22  decode_ns                  worker; time spent decoding and demosaicing
         23  flow_ns                    worker; time spent in the flow
         24  encode_ns                  worker; time spent drawing and encoding
         25  verdict                    worker; 0 none, 1 OK, 2 NOK
         26  failed_in                  worker; 0 without an error, else 1 + the place of its module (module_table.py)
         27  seal                       worker; checksum of words 11 to 26, and of the generation they are for
         28  client                     front; who asks, as a number, for a fair share
         29  watched                    worker, 1 once it draws this kept frame again; front, 0 (newest.py)
         30  place_generation           supervisor; the frame that the text at 288 is of
         31  place_bytes                supervisor
         32  came_ns                    front; when the request came, CLOCK_REALTIME
         33  limit_ns                   worker; when a module with a limit must have ended, CLOCK_MONOTONIC; 0 for none
         34  kept_for                   front; a bit for each follower that the frame stays for, 0 for none
         35  kept_until_ns              front; until when at most, CLOCK_MONOTONIC
    byte 288 where a frame that runs too long was seen, in words                    supervisor
    byte 544 which module has a limit, in words, UTF-8, padded with 0               worker
    byte 800 what the request is called, 128 bytes, and its traceparent, 64, ASCII, padded with 0    front
    byte 992 job, packed (see job.py)

The slot table is the truth. The job queue and the eventfds are hints, and may be lost or stale: whoever is woken
looks here. Writing through `memoryview.cast("Q")` stores a word in one piece; between two processes there is always a
system call (queue, eventfd, record lock) that orders what came before it.
"""

from __future__ import annotations

import enum
import struct
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from workers.memory.layout import HEADER_BYTES

if TYPE_CHECKING:
    from workers.memory.layout import Geometry

MAGIC = int.from_bytes(b"FMSLOT\x00\x03", "little")
ASKED_AT = 800
JOB_AT = 992
NOT_SAID = bytes(JOB_AT - ASKED_AT)
PLACE_AT = 288
LIMITED_AT = 544
MAX_JOB_BYTES = HEADER_BYTES - JOB_AT


class State(enum.IntEnum):
    """What is going on in a slot."""

    FREE = 0
    FILLING = 1
    QUEUED = 2
    RUNNING = 3
    DONE = 4
    KEPT = 5  # answered, and not its front's any more: it stays for who follows results


class Outcome(enum.IntEnum):
    """How a DONE slot ended."""

    NONE = 0
    ANSWERED = 1  # picture and context are in the reply area
    REFUSED = 2  # an error, as JSON, is in the reply area
    CRASHED = 3  # the workers that ran it died
    OVERDUE = 4  # its deadline passed before it was begun
    CANCELLED = 5  # nobody waits for it
    OUT_OF_MEMORY = 6  # the kernel ended the worker that ran it
    OVERRUN = 7  # it ran longer than run_ms, and its worker was ended
    TOO_LATE = 8  # not begun: flows lately take longer than was left
    PUSHED_OUT = 9  # not begun: it made room for a client that has less


MOVES: Mapping[State, frozenset[State]] = {
    State.FREE: frozenset({State.FILLING}),  # a front takes it
    State.FILLING: frozenset({State.QUEUED, State.FREE}),  # the front submits it, or gives up
    State.QUEUED: frozenset({State.RUNNING, State.DONE}),  # a worker claims it; or a front takes it back
    State.RUNNING: frozenset({State.DONE, State.QUEUED}),  # answered; or its worker died and it goes once more
    State.DONE: frozenset({State.FREE, State.KEPT}),  # the front gives it back, or leaves it to followers
    State.KEPT: frozenset({State.FREE}),  # they have it, are gone, or took too long
}


# found by index: asking the enum, or the table above, costs ten times as much, a dozen times per frame
_STATES = tuple(State)
_MOVES = tuple(sum(1 << to for to in MOVES[state]) for state in _STATES)


class IllegalMove(RuntimeError):
    """A slot was asked to change state in a way the table does not allow: a fault of ours."""


class Word:
    """Index of each header word; see the drawing above. No enum: its names take three times as long to look up."""

    MAGIC = 0
    STATE = 1
    GENERATION = 2
    DEADLINE_NS = 3
    OWNER_PID = 4
    DEATHS = 5
    REQUEST_BYTES = 6
    CANCELLED = 7
    JOB_BYTES = 8
    ACCEPTED_NS = 9
    QUEUED_NS = 10
    STARTED_NS = 11
    DONE_NS = 12
    OUTCOME = 13
    IMAGE_BYTES = 14
    JSON_BYTES = 15
    KEPT_AT = 16
    KEPT_IMAGE_BYTES = 17
    KEPT_HEAT_BYTES = 18
    FINAL_WIDTH_PX = 19
    FINAL_HEIGHT_PX = 20
    FINAL_CHANNELS = 21
    DECODE_NS = 22
    FLOW_NS = 23
    ENCODE_NS = 24
    VERDICT = 25
    FAILED_IN = 26
    SEAL = 27
    CLIENT = 28
    WATCHED = 29
    PLACE_GENERATION = 30
    PLACE_BYTES = 31
    CAME_NS = 32
    LIMIT_NS = 33
    KEPT_FOR = 34
    KEPT_UNTIL_NS = 35


_ANSWER = struct.Struct(f"{Word.SEAL - Word.STARTED_NS}Q")


class Header:
    """The header of one slot, as seen by this process."""

    __slots__ = ("_answer", "_asked", "_job", "_limited", "_place", "index", "words")

    def __init__(self, index: int, page: memoryview) -> None:
        self.index = index
        self.words = page[:ASKED_AT].cast("Q")
        self._answer = page[8 * Word.STARTED_NS : 8 * Word.SEAL]
        self._place = page[PLACE_AT:LIMITED_AT]
        self._limited = page[LIMITED_AT:ASKED_AT]
        self._asked = page[ASKED_AT:JOB_AT]
        self._job = page[JOB_AT:]

    def format(self) -> None:
        """Make a fresh, free header."""
        self.mark()
        self.words[Word.STATE] = State.FREE

    def mark(self) -> None:
        """Write the magic, for who looks at the memory from outside; a worker may have written over it."""
        self.words[Word.MAGIC] = MAGIC

    @property
    def state(self) -> State:
        """The present state; rubbish counts as RUNNING, for only whoever runs a slot can have written it."""
        number = self.words[Word.STATE]
        return _STATES[number] if number < len(_STATES) else State.RUNNING

    def leave_answer(self, *words: int) -> None:
        """Write the words of the answer, from STARTED_NS to FAILED_IN, and their seal; the last before DONE."""
        self._answer[:] = packed = _ANSWER.pack(*words)
        self.words[Word.SEAL] = _seal(packed, self.words[Word.GENERATION])

    def answer(self, generation: int) -> tuple[int, ...] | None:
        """Return the words of the answer, from STARTED_NS on; None where no worker wrote them for `generation`."""
        packed = bytes(self._answer)
        return _ANSWER.unpack(packed) if self.words[Word.SEAL] == _seal(packed, generation) else None

    def leave_place(self, text: str) -> None:
        """Say where the frame that runs is; what is too long is cut."""
        packed = text.encode("utf-8", "backslashreplace")[: len(self._place)]
        self._place[: len(packed)] = packed
        self.words[Word.PLACE_BYTES] = len(packed)
        self.words[Word.PLACE_GENERATION] = self.words[Word.GENERATION]

    def place(self, generation: int) -> str:
        """Return where the frame was seen; nothing where nobody has looked."""
        if self.words[Word.PLACE_GENERATION] != generation:
            return ""
        text = bytes(self._place[: self.words[Word.PLACE_BYTES]]).decode("utf-8", "ignore")
        return "".join(character if character.isprintable() else "?" for character in text)

    def limit(self, until_ns: int, words: str) -> None:
        """Say until when what runs must have ended (CLOCK_MONOTONIC, 0 for no limit), and in `words` what it is."""
        if until_ns:
            packed = words.encode("utf-8", "replace")[: len(self._limited)]
            self._limited[:] = packed.ljust(len(self._limited), b"\0")
        self.words[Word.LIMIT_NS] = until_ns

    @property
    def limited(self) -> str:
        """What has a limit of its own, in words; nothing where none has."""
        if not self.words[Word.LIMIT_NS]:
            return ""
        return bytes(self._limited).rstrip(b"\0").decode("utf-8", "replace")

    def move(self, to: State) -> None:
        """Change the state; raises IllegalMove where the table does not allow it."""
        now = self.state
        if not _MOVES[now] >> to & 1:
            msg = f"slot {self.index}: {now.name} -> {to.name}"
            raise IllegalMove(msg)
        self.words[Word.STATE] = to

    def queue(self, now_ns: int) -> None:
        """Let workers have a frame that is all there since `now_ns` (CLOCK_MONOTONIC); exchange.c does the same.

        Raises IllegalMove where its front was not filling the slot.
        """
        if self.words[Word.STATE] != State.FILLING:
            raise self.not_filling()
        self.words[Word.QUEUED_NS] = now_ns
        self.words[Word.STATE] = State.QUEUED

    def not_filling(self) -> IllegalMove:
        """Say that a slot cannot be queued, for nobody fills it."""
        return IllegalMove(f"slot {self.index}: {self.state.name} -> QUEUED by its front")

    @property
    def asked(self) -> bytes:
        """What the request is called and its traceparent, as drawn above."""
        return bytes(self._asked)

    @asked.setter
    def asked(self, packed: bytes) -> None:
        self._asked[:] = packed

    @property
    def job(self) -> memoryview:
        """The packed job, as long as the front said; raises ValueError on an impossible length."""
        length = self.words[Word.JOB_BYTES]
        if length > MAX_JOB_BYTES:
            msg = f"slot {self.index}: a job of {length} bytes, at most {MAX_JOB_BYTES} fit"
            raise ValueError(msg)
        return self._job[:length]

    @job.setter
    def job(self, packed: bytes) -> None:
        self._job[: len(packed)] = packed
        self.words[Word.JOB_BYTES] = len(packed)


def _seal(packed: bytes, generation: int) -> int:
    return zlib.crc32(packed) << 32 | generation & 0xFFFFFFFF


def headers(low: memoryview, geometry: Geometry) -> list[Header]:
    """All slot headers in `low`, a mapping that starts at offset 0 of the frame memory."""
    starts = (geometry.header_at(i) for i in range(geometry.slots))
    return [Header(i, low[at : at + HEADER_BYTES]) for i, at in enumerate(starts)]
