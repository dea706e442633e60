"""How long flows lately take, when a frame would be done by that, and who makes room for it."""

from __future__ import annotations

import heapq
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.admission.forecast import Outlook
from workers.admission.pace import Pace
from workers.memory.layout import HEADER_BYTES, PAGE_BYTES
from workers.memory.slot import Header, State, Word

MS = 1_000_000
SECOND = 1000 * MS


class Flow:
    """Frames one after the other, and the pace that follows them."""

    def __init__(self) -> None:
        self.words = memoryview(bytearray(PAGE_BYTES)).cast("Q")
        self.pace = Pace(self.words)
        self.now_ns = 100 * SECOND

    def takes(self, *ms: float) -> float:
        """Let frames take so long; returns what is expected of the next one."""
        for each in ms:
            self.now_ns += int(each * MS)
            self.pace.add(int(each * MS), self.now_ns)
        return self.lately_ms()

    def lately_ms(self, later_ms: float = 0) -> float:
        return self.pace.lately(self.now_ns + int(later_ms * MS))[0] / MS


def test_nothing_is_known_before_the_first_frame_and_all_of_it_after() -> None:
    flow = Flow()
    assert flow.lately_ms() == 0
    assert flow.takes(200) == 200


def test_what_flows_take_is_followed_up_and_down_within_a_dozen_frames() -> None:
    flow = Flow()
    assert flow.takes(20) == 20
    assert 900 < flow.takes(*[1000] * 12) <= 1000
    assert 20 <= flow.takes(*[20] * 14) < 40


def test_one_frame_that_takes_for_ever_is_hardly_believed() -> None:
    flow = Flow()
    assert flow.takes(*[20] * 5, 9000) < 60
    assert flow.takes(*[20] * 6) < 30


def test_what_was_measured_long_ago_is_not_lately() -> None:
    flow = Flow()
    flow.takes(1000)
    assert flow.lately_ms(3900) == 1000
    assert flow.lately_ms(4100) == 0


@pytest.mark.parametrize("words", [(2**64 - 1, 0, 0), (1, 2**64 - 1, 2**64 - 1), (2**63, 2**63, 100 * SECOND)])
def test_rubbish_in_its_words_is_no_pace_and_stops_nobody(words: tuple[int, int, int]) -> None:
    flow = Flow()
    flow.words[12], flow.words[13], flow.words[14] = words
    assert flow.lately_ms() == 0
    assert flow.takes(50) == 50


def queued_by(*clients: int) -> list[Header]:
    """Headers of frames that wait, the last of them the longest in the future."""
    made = []
    for number, client in enumerate(clients):
        header = Header(number, memoryview(bytearray(HEADER_BYTES)))
        header.words[Word.STATE], header.words[Word.CLIENT], header.words[Word.QUEUED_NS] = State.QUEUED, client, number
        made.append(header)
    return made


def outlook(free_in_ms: list[int], *queued: int, mean_ms: int = 100, running: tuple[int, ...] = ()) -> Outlook:
    frames = queued_by(*queued)
    free_in_ns = sorted(ms * MS for ms in free_in_ms)
    return Outlook(mean_ms * MS, 0, free_in_ns, frames, Counter([*running, *queued]), len(frames))


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=8), st.integers(0, 40))
def test_frames_of_equal_length_begin_when_a_list_of_workers_says_so(free_in_ms: list[int], ahead: int) -> None:
    free = [ms * MS for ms in free_in_ms]
    for _ in range(ahead):
        heapq.heapify(free)
        heapq.heappush(free, heapq.heappop(free) + 100 * MS)
    assert outlook(free_in_ms).begun_in_ns(ahead) == min(free)


def test_a_worker_whose_frame_hangs_makes_the_others_slower_and_no_frame_late() -> None:
    # the seventh of a line begins after three rounds of two workers, not when the third one is free at last
    assert outlook([0, 0, 900], mean_ms=40).begun_in_ns(6) == 3 * 40 * MS
    assert outlook([0, 0, 900], mean_ms=40).begun_in_ns(8) == 4 * 40 * MS


def test_a_free_worker_leaves_no_margin_and_a_queue_does() -> None:
    assert outlook([0, 50]).done_in_ns(0) == 100 * MS
    assert outlook([0, 50]).done_in_ns(1) > 150 * MS


def test_the_client_that_has_most_makes_room_with_its_last_frame() -> None:
    seen = outlook([10], 1, 2, 1, 1, running=(1,))
    for client in (2, 3):
        room = seen.room_for(client, {})
        assert room is not None
        assert room.index == 3
    assert seen.room_for(1, {}) is None  # it has most itself
    assert outlook([10], 1, 2).room_for(1, {}) is None


def test_among_those_that_have_the_same_whoever_was_served_last_makes_room() -> None:
    seen = outlook([10], 1, 2, 3)
    room = seen.room_for(4, {1: 5, 2: 9, 3: 7, 4: 6})
    assert room is not None
    assert room.index == 1
    assert seen.room_for(4, {1: 5, 2: 9, 3: 7, 4: 10}) is None
