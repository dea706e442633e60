"""Processes that try a project on pictures, as many as cores, each told its next frames before it is done with one.

Nothing that a frame does ends the run: a process that dies, or takes longer than `run_ms` and is killed, is an error of
the frame that it had, and another takes its place.
"""

from __future__ import annotations

import itertools
import os
import selectors
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from workers.errors import ProjectInvalid
from workers.memory.global_data import create_global_data
from workers.programs.try_member import Member, Told
from workers.trying.try_messages import Frame, Said, Start, What

_AHEAD = 4  # frames that a process is told at once
_LOOK_S = 0.05
_GRACE_S = 0.25  # for a flow that ends by itself when its time is over
_START_S = 30.0  # a Python with its libraries, on a busy machine
_END_S = 5.0  # for what user code does when its program ends


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of frame `number`: a context as JSON, or an error in words; `preview` is a JPEG, or nothing."""

    number: int
    context: bytes = b""
    error: str = ""
    preview: bytes = b""
    decode_ms: float = 0.0
    flow_ms: float = 0.0
    encode_ms: float = 0.0


class TryPool:
    """The processes; use it in a `with`, which ends them."""

    def __init__(self, start: Start, processes: int) -> None:
        self._shared_fd = create_global_data(start.settings.global_data_kib)
        self._start = start.model_copy(update={"shared_fd": self._shared_fd})
        self._selector = selectors.DefaultSelector()
        self._members: list[Member] = []
        self._waiting: deque[Told] = deque()
        for _ in range(processes):
            self._hire()

    def __enter__(self) -> Self:
        """Begin; the processes have begun to load already."""
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: TracebackType | None) -> None:
        """Let them end by themselves where all went well, so that user code does what it has left for its end."""
        if error is None:
            give_up_s = time.monotonic() + _END_S
            for member in self._members:
                member.end_of_work()
            for member in self._members:
                member.wait(give_up_s)
        for member in [*self._members]:
            self._drop(member)
        self._selector.close()
        os.close(self._shared_fd)

    def run(self, frames: Iterable[Frame]) -> Iterator[Tried]:
        """Inspect all frames; yields what became of each, in the order in which they are done.

        Raises:
            ProjectInvalid: the project cannot be loaded; the message says why.
        """
        self._waiting.extend(Told(number, frame.line()) for number, frame in enumerate(frames))
        left = len(self._waiting)
        while left:
            self._feed()
            for tried in self._turn():
                left -= 1
                yield tried

    def _feed(self) -> None:
        # to each one more in turn: the last frames of a run are not all told to one
        for ahead in range(1, _AHEAD + 1):
            for member in self._members:
                if not self._waiting:
                    return
                free = len(member.told) < ahead and not member.leaves and not member.is_late
                if free and member.has_room(self._waiting[0]):
                    member.tell(self._waiting.popleft())

    def _turn(self) -> Iterator[Tried]:
        ended = []
        for key, _ in self._selector.select(_LOOK_S):
            member: Member = key.data
            if key.fd == member.end_fd:
                ended.append(member)
            else:
                yield from self._heard(member, member.hear())
        for member in ended:
            yield from self._heard(member, member.hear())
            yield from self._ended(member)
        for member in self._members:
            if member.is_mute and member.answers_fd in self._selector.get_map():
                self._selector.unregister(member.answers_fd)
                member.cut_off()
        # after all that has been said was heard: whoever reads this slowly makes no frame late
        for member in self._members:
            if self._takes_too_long(member):
                member.hurry()

    def _heard(self, member: Member, messages: list[Said]) -> Iterator[Tried]:
        for said in messages:
            if said.what is What.REFUSED:
                raise ProjectInvalid(said.body.decode())
            if said.what is What.LOADED:
                member.loaded = True
            elif said.what is What.LEAVING:
                member.leaves = True
            else:
                number = member.told.popleft().number
                times_ms = said.decode_ns / 1e6, said.flow_ns / 1e6, said.encode_ns / 1e6
                if said.what is What.CONTEXT:
                    yield Tried(number, said.body, "", said.preview, *times_ms)
                else:
                    yield Tried(number, error=said.body.decode())

    def _takes_too_long(self, member: Member) -> bool:
        settings = self._start.settings
        if member.leaves:
            most_s = _END_S
        elif not member.loaded:
            most_s = _START_S + settings.boot_ms / 1000
        elif member.told:
            most_s = settings.run_ms / 1000 + _GRACE_S
        else:
            return False
        return member.is_late or time.monotonic() - member.since_s > most_s

    def _ended(self, member: Member) -> Iterator[Tried]:
        words, late, settings = member.last_words(), member.is_late, self._start.settings
        how = self._drop(member)
        if not member.loaded:
            what = f"workers die while they load the project: it {how}"
            if late:
                what = f"the project is not loaded within {settings.boot_ms} ms (boot_ms): its process {how}"
            raise ProjectInvalid(f"{what}\n{words}".strip())
        # one that was killed for a frame that it had just done is to blame for no other
        if member.told and not member.leaves and (late or not member.was_late):
            number = member.told.popleft().number
            why = f"it was not done within {settings.run_ms} ms (run_ms), and " if late else ""
            yield Tried(number, error=f"{why}its process {how}")
        self._waiting.extendleft(reversed(member.told))
        if self._waiting:
            self._hire()

    def _hire(self) -> None:
        taken = {member.number for member in self._members}
        member = Member(self._start, next(number for number in itertools.count() if number not in taken))
        self._members.append(member)
        self._selector.register(member.answers_fd, selectors.EVENT_READ, member)
        self._selector.register(member.end_fd, selectors.EVENT_READ, member)

    def _drop(self, member: Member) -> str:
        self._members.remove(member)
        for fd in {member.answers_fd, member.end_fd} & self._selector.get_map().keys():
            self._selector.unregister(fd)
        return member.bury()
