"""The frame memory: its layout, its seals, its states."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.errors import NotEnoughMemory
from workers.memory.arena import ArenaFile, create_arena, map_part
from workers.memory.layout import HEADER_BYTES, Geometry
from workers.memory.slot import MAX_JOB_BYTES, MOVES, Header, IllegalMove, State
from workers.pool.channel import Descriptor
from workers.pool.job import MAX_CAMERA_BYTES, MAX_DATA_BYTES, MAX_PART_BYTES, Encoding, Job, ResponseType, Task

SMALL = Geometry(fronts=2, workers=3, slots_per_front=2, request_bytes=10_000, reply_bytes=5_000)


@pytest.fixture
def arena() -> Iterator[ArenaFile]:
    made = create_arena(SMALL)
    yield made
    os.close(made.fd)


def test_areas_follow_each_other_without_overlap_and_end_at_the_total() -> None:
    spans = [(0, SMALL.front_row_at(0))]
    spans += [(SMALL.front_row_at(i), SMALL.front_row_at(i) + 512) for i in range(SMALL.fronts)]
    spans += [(SMALL.worker_row_at(i), SMALL.worker_row_at(i) + 512) for i in range(SMALL.workers)]
    spans += [(SMALL.header_at(i), SMALL.header_at(i) + HEADER_BYTES) for i in range(SMALL.slots)]
    spans += [(SMALL.reply_at(i), SMALL.reply_at(i) + SMALL.reply_bytes) for i in range(SMALL.slots)]
    spans += [(SMALL.request_at(i), SMALL.request_at(i) + SMALL.request_bytes) for i in range(SMALL.slots)]
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(spans))
    assert spans[-1][1] == SMALL.total_bytes


def test_every_slot_belongs_to_exactly_one_front() -> None:
    owned = [slot for front in range(SMALL.fronts) for slot in SMALL.slots_of_front(front)]
    assert owned == list(range(SMALL.slots))


def test_too_many_slots_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 256 are possible"):
        Geometry(fronts=16, workers=1, slots_per_front=200, request_bytes=1, reply_bytes=1)


def test_memory_that_the_machine_does_not_have_is_a_clear_error() -> None:
    huge = Geometry(fronts=1, workers=1, slots_per_front=200, request_bytes=1 << 30, reply_bytes=1 << 30)
    with pytest.raises(NotEnoughMemory, match=r"needs \d+ MiB .* lower slots, max_frame_mib or max_reply_mib"):
        create_arena(huge)


def test_nobody_can_shrink_grow_or_unseal_the_memory(arena: ArenaFile) -> None:
    for size in (0, SMALL.total_bytes - 4096, SMALL.total_bytes + 4096):
        with pytest.raises(PermissionError):
            os.ftruncate(arena.fd, size)


def test_a_worker_cannot_write_to_the_frames(arena: ArenaFile) -> None:
    high = map_part(arena, SMALL.requests_at, SMALL.total_bytes, writable=False)
    with pytest.raises(TypeError):
        high[0] = 1


def test_what_one_mapping_writes_another_reads(arena: ArenaFile) -> None:
    whole = map_part(arena, 0, SMALL.total_bytes, writable=True)
    high = map_part(arena, SMALL.requests_at, SMALL.total_bytes, writable=False)
    whole[SMALL.request_at(3)] = 7
    assert high[SMALL.request_at(3) - SMALL.requests_at] == 7


def _fresh_header() -> Header:
    header = Header(0, memoryview(bytearray(HEADER_BYTES)))
    header.format()
    return header


_PATHS: dict[State, tuple[State, ...]] = {
    State.FREE: (),
    State.FILLING: (State.FILLING,),
    State.QUEUED: (State.FILLING, State.QUEUED),
    State.RUNNING: (State.FILLING, State.QUEUED, State.RUNNING),
    State.DONE: (State.FILLING, State.QUEUED, State.RUNNING, State.DONE),
    State.KEPT: (State.FILLING, State.QUEUED, State.RUNNING, State.DONE, State.KEPT),
}


@pytest.mark.parametrize(("now", "to"), list(itertools.product(State, State)), ids=lambda s: s.name)
def test_only_the_moves_of_the_table_are_possible(now: State, to: State) -> None:
    header = _fresh_header()
    for step in _PATHS[now]:
        header.move(step)
    if to in MOVES[now]:
        header.move(to)
        assert header.state is to
    else:
        with pytest.raises(IllegalMove):
            header.move(to)
        assert header.state is now


def test_a_job_longer_than_its_place_is_refused_by_the_reader() -> None:
    header = _fresh_header()
    header.words[8] = MAX_JOB_BYTES + 1
    with pytest.raises(ValueError, match="at most"):
        _ = header.job


@given(
    st.builds(
        Job,
        task=st.sampled_from(Task),
        encoding=st.sampled_from(Encoding),
        response=st.sampled_from(ResponseType),
        width=st.integers(0, 2**32 - 1),
        height=st.integers(0, 2**32 - 1),
        pixel_format=st.sampled_from(["", "BayerRG8", "Mono12Packed"]),
        data=st.text(max_size=500),
        camera=st.text(max_size=50),
        part=st.text(max_size=50),
    )
)
def test_a_job_survives_packing(job: Job) -> None:
    header = _fresh_header()
    header.job = job.pack()
    assert Job.unpack(header.job) == job


def test_the_longest_data_still_fits_a_header() -> None:
    header = _fresh_header()
    longest = Job(data="x" * MAX_DATA_BYTES, camera="c" * MAX_CAMERA_BYTES, part="p" * MAX_PART_BYTES)
    header.job = longest.pack()
    assert Job.unpack(header.job) == longest


@pytest.mark.parametrize("damage", [slice(0, 4), slice(4, 6), slice(56, 60)], ids=["magic", "version", "length"])
def test_a_damaged_job_is_refused(damage: slice) -> None:
    packed = bytearray(Job(data="abc").pack())
    packed[damage] = b"\xff" * (damage.stop - damage.start)
    with pytest.raises(ValueError, match="job"):
        Job.unpack(memoryview(packed))


@given(st.integers(0, 255), st.integers(0, 2**64 - 1))
def test_a_descriptor_survives_packing(slot: int, generation: int) -> None:
    descriptor = Descriptor(slot, generation)
    assert Descriptor.unpack(descriptor.pack()) == descriptor


@pytest.mark.parametrize("packed", [b"", b"x" * 15, b"x" * 17, b"XXXX" + b"\0" * 12])
def test_what_is_not_a_descriptor_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match="descriptor"):
        Descriptor.unpack(packed)
