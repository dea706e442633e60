"""A worker that writes at random into a slot's header costs its frame an error: never a wrong byte, never the front."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.faults import FRAME, RAW, until
from tests.support.running import serving, write_project
from workers.crew.rescue import end_ownerless
from workers.errors import FramemillError, InternalError
from workers.memory.arena import create_arena, map_part
from workers.memory.control import Control, ControlPage, FrontRow
from workers.memory.layout import Geometry
from workers.memory.slot import Header, Outcome, State, Word, headers
from workers.pool.channel import Channel
from workers.pool.exchange import Rest
from workers.pool.job import Job
from workers.pool.pool import Pool
from workers.worker.inspector import Answer

GEOMETRY = Geometry(fronts=1, workers=1, slots_per_front=2, request_bytes=4096, reply_bytes=4096)
CONTEXT = b'{"result":true}'
EDGES = (0, 1, 2, 3, 4, 5, 4096, 4097, 2**31, 2**32, 2**63, 2**64 - 1)
OF_ANSWERS = range(Word.STARTED_NS, Word.SEAL + 1)


class Bench:
    """A front's pool whose worker is a function of the test's."""

    def __init__(self) -> None:
        self.arena = create_arena(GEOMETRY)
        self.low = map_part(self.arena, 0, GEOMETRY.requests_at, writable=True)
        control = ControlPage(self.low, GEOMETRY)
        control.format()
        control.words[Control.WORKERS_READY] = 1
        self.headers = headers(self.low, GEOMETRY)
        for header in self.headers:
            header.format()
        self.channel = Channel.create(GEOMETRY.slots)
        self.work: Callable[[Header], None] = self.answer
        self.pool = Pool(self.arena, 0, self._run)

    def _run(self, header: Header, _area: memoryview, _client_fd: int, _rest: Rest | None) -> None:
        header.queue(time.monotonic_ns())
        self.work(header)

    def answer(self, header: Header) -> None:
        """Do what a worker does."""
        at = GEOMETRY.reply_at(header.index)
        self.low[at : at + len(CONTEXT)] = CONTEXT
        header.move(State.RUNNING)
        now_ns = time.monotonic_ns()
        header.leave_answer(now_ns, now_ns, Outcome.ANSWERED, *Answer(json_bytes=len(CONTEXT), verdict=1))
        header.move(State.DONE)

    def frame(self) -> bytes:
        """Have a frame inspected; returns the bytes that would be sent."""
        with self.pool.lease(time.monotonic_ns() + 10**9, 0) as lease:
            return bytes(lease.run(Job(), 1).body)

    def settle(self) -> None:
        """Do what is done about slots that wait, which a worker skips, and about those that run nowhere."""
        for header in self.headers:
            if header.state is State.QUEUED:
                header.move(State.RUNNING)
                header.move(State.DONE)
        seen: set[int] = set()
        for _ in range(2):
            seen = end_ownerless(self.headers, self.channel, set(), seen)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def scribbled(chance: random.Random, words: memoryview, which: range) -> None:
    for word in chance.sample(which, chance.randint(1, len(which))):
        words[word] = chance.choice((chance.choice(EDGES), chance.getrandbits(64), chance.randrange(64)))


def test_ten_thousand_random_answers_are_errors_of_ours_and_never_wrong_bytes(bench: Bench) -> None:
    chance = random.Random(1)
    refused = 0

    def scribble(header: Header) -> None:
        bench.answer(header)
        scribbled(chance, header.words, OF_ANSWERS)

    bench.work = scribble
    for _ in range(10_000):
        try:
            assert bench.frame() == CONTEXT
        except FramemillError:
            refused += 1
    assert refused > 9_000
    bench.work = bench.answer
    assert bench.frame() == CONTEXT
    assert bench.pool.free_slots == GEOMETRY.slots_per_front


def test_random_headers_with_state_generation_and_owner_cost_no_slot(bench: Bench) -> None:
    chance = random.Random(2)

    def scribble(header: Header) -> None:
        bench.answer(header)
        scribbled(chance, header.words, range(Word.STATE, 64))

    for _ in range(2_000):
        bench.work = scribble
        with suppress(FramemillError):
            assert bench.frame() == CONTEXT
        bench.settle()
        bench.work = bench.answer
        assert bench.frame() == CONTEXT
    assert bench.pool.free_slots == GEOMETRY.slots_per_front


def test_an_answer_of_another_generation_is_refused(bench: Bench) -> None:
    def late(header: Header) -> None:
        header.words[Word.GENERATION] -= 1
        bench.answer(header)

    bench.work = late
    with pytest.raises(InternalError, match="cannot be right"):
        bench.frame()


@pytest.mark.parametrize("word", [Word.IMAGE_BYTES, Word.JSON_BYTES, Word.VERDICT, Word.FLOW_NS, Word.SEAL])
def test_one_bit_of_an_answer_that_changed_is_enough_to_refuse_it(bench: Bench, word: int) -> None:
    def flip(header: Header) -> None:
        bench.answer(header)
        header.words[word] ^= 1

    bench.work = flip
    with pytest.raises(InternalError, match="cannot be right"):
        bench.frame()


def test_a_front_says_which_worker_left_what_cannot_be_an_answer(bench: Bench) -> None:
    def rubbish(header: Header) -> None:
        bench.answer(header)
        header.words[Word.OWNER_PID] = 4711
        header.words[Word.JSON_BYTES] += 1

    bench.frame()
    assert bench.pool.row[FrontRow.DOUBTED_PID] == 0
    bench.work = rubbish
    with pytest.raises(InternalError, match="cannot be right"):
        bench.frame()
    assert bench.pool.row[FrontRow.DOUBTED_PID] == 4711


SPOILER = """
import os
import workers.memory.slot

def main(context):
    if context["data"] == "spoil":
        workers.memory.slot._seal = lambda packed, generation: 0
    context["pid"] = os.getpid()
"""


def test_a_worker_whose_answers_cannot_be_right_is_replaced(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/s.py"\n', s=SPOILER)
    with serving(project, "--workers", "1") as server, server.client() as client:
        before = client.post(f"{RAW}&data=fine", content=FRAME).json()["pid"]
        answer = client.post(f"{RAW}&data=spoil", content=FRAME)
        assert answer.status_code == 500
        assert answer.json()["code"] == "internal_error"
        until(lambda: server.status()["workers"]["deaths"] == 1)
        assert client.post(f"{RAW}&data=fine", content=FRAME).json()["pid"] != before
        until(lambda: "it left an answer that cannot be right" in "".join(server.log))
