"""A writer may die between any two stores, and readers may meet anything: a record is whole, or is seen not to be."""

from __future__ import annotations

import os
import random
import signal
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.results.reading import RingReader
from service.results.ring import (
    COMMITTED,
    ENTRY,
    PAGE_BYTES,
    RESERVED,
    RingFile,
    RingWriter,
    Shape,
    committed_of,
    create_ring,
    map_ring,
)

SHAPE = Shape.of(1)
STORES = 8  # of one record; the test below says so where there are more


@pytest.fixture
def ring() -> Iterator[RingFile]:
    made = create_ring(5, 1)
    yield made
    os.close(made.fd)
    os.close(made.read_fd)


def _record(number: int, size: int) -> bytes:
    """Bytes that say themselves whether they are whole."""
    body = struct.pack("<QQ", number, size) + bytes([number & 0xFF]) * size
    return body + struct.pack("<I", zlib.crc32(body))


def _number(packed: bytes) -> int:
    body, (crc,) = packed[:-4], struct.unpack("<I", packed[-4:])
    assert zlib.crc32(body) == crc
    number, size = struct.unpack_from("<QQ", body)
    assert len(body) == 16 + size
    return int(number)


def _all(reader: RingReader) -> list[int]:
    found = []
    while (raw := reader.next()) is not None:
        found.append(_number(raw.packed))
    return found


def test_what_was_written_is_read_in_its_order_and_once(ring: RingFile) -> None:
    reader = RingReader(ring.read_fd)
    writer = RingWriter(ring.fd)
    assert writer.front == reader.front == 5
    for number in range(100):
        assert writer.append(_record(number, number)) == number + 1
    assert reader.behind == 100
    assert _all(reader) == list(range(100))
    assert _all(reader) == []
    assert (reader.missed, reader.behind, committed_of(ring.fd)) == (0, 0, 100)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, SHAPE.room // 4 - 20), min_size=1, max_size=60), st.integers(1, 12))
def test_of_any_sizes_the_newest_are_there_and_the_others_are_counted(sizes: list[int], each: int) -> None:
    """Whoever reads now and then has all that fit the ring behind the newest, and knows how many it missed."""
    ring = create_ring(0, 1)
    try:
        writer, reader = RingWriter(ring.fd), RingReader(ring.read_fd)
        found: list[int] = []
        for number, size in enumerate(sizes):
            writer.append(_record(number, size))
            if number % each == 0:
                found += _all(reader)
        found += _all(reader)
        assert found == sorted(set(found))
        assert found[-1] == len(sizes) - 1
        assert len(found) + reader.missed == len(sizes)
        late = RingReader(ring.read_fd)
        late.begin_with_oldest()
        there = _all(late)
        # a fourth of the room may be left unused at its end
        fit = next((n for n in range(len(sizes)) if sum(s + 20 for s in sizes[n:]) <= SHAPE.room * 3 // 4), len(sizes))
        assert there == list(range(there[0], len(sizes)))
        assert there[0] <= fit
        assert late.missed == 0
    finally:
        os.close(ring.fd)
        os.close(ring.read_fd)


def test_more_records_than_entries_are_counted_as_missed(ring: RingFile) -> None:
    reader, writer = RingReader(ring.read_fd), RingWriter(ring.fd)
    total = SHAPE.entries + 50
    for number in range(total):
        writer.append(_record(number, 0))
    found = _all(reader)
    assert found == list(range(50, total))
    assert reader.missed == 50


def test_a_record_that_is_too_large_is_refused_and_harms_nothing(ring: RingFile) -> None:
    reader, writer = RingReader(ring.read_fd), RingWriter(ring.fd)
    with pytest.raises(ValueError, match="at most"):
        writer.append(bytes(writer.most_bytes + 1))
    writer.append(_record(1, writer.most_bytes - 20))
    assert _all(reader) == [1]


class _Stores:
    """A view whose process ends itself by SIGKILL before the store that is due."""

    def __init__(self, view: memoryview, left: list[int]) -> None:
        self._view = view
        self._left = left

    def __getitem__(self, place: Any) -> Any:
        return self._view[place]

    def __setitem__(self, place: Any, value: Any) -> None:
        if self._left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left[0] -= 1
        if isinstance(value, bytes) and self._left[0] == 0:  # half of the bytes are there, then it is over
            half = value[: len(value) // 2]
            self._view[place.start : place.start + len(half)] = half
            os.kill(os.getpid(), signal.SIGKILL)
        self._view[place] = value


def _append_and_die(fd: int, number: int, size: int, stores: int) -> bool:
    """Write a record in a child that is killed before its next store but `stores`; whether it was."""
    pid = os.fork()
    if pid == 0:
        try:
            writer: Any = RingWriter(fd)
            left = [stores]
            for name in ("_words", "_index", "_bytes"):
                setattr(writer, name, _Stores(getattr(writer, name), left))
            writer.append(_record(number, size))
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("size", [100, SHAPE.room // 5], ids=["small", "wraps"])
def test_a_writer_that_is_killed_at_any_store_leaves_a_whole_ring(ring: RingFile, size: int) -> None:
    reader = RingReader(ring.read_fd)
    number, found, written = 0, [], []
    for again in range(3):
        for stores in range(STORES + 1):
            was_killed = _append_and_die(ring.fd, number, size, stores)
            assert was_killed == (stores < STORES), f"a record takes {stores} stores, not {STORES}"
            seen = _all(reader)
            assert seen in ([], [number])
            assert seen == [number] or was_killed
            found += seen
            writer = RingWriter(ring.fd)  # another front takes over
            # its last record was whole, and only that was never said: then it is there now
            late = _all(reader)
            assert late == [] or (late == [number] and seen == [] and stores == STORES - 1)
            found += late
            number += 1
            writer.append(_record(number, size + again))
            assert _all(reader) == [number]
            written.append(number)
            found.append(number)
            number += 1
    assert set(written) <= set(found)
    assert len(found) == len(set(found))
    assert found == sorted(found)
    assert reader.missed == 0


def test_a_reader_beside_a_writer_at_full_speed_meets_only_whole_records(ring: RingFile) -> None:
    total, noise = 20_000, random.Random(3)
    sizes = [noise.choice([0, 10, 300, 5000]) for _ in range(total)]
    reader = RingReader(ring.read_fd)
    pid = os.fork()
    if pid == 0:
        try:
            writer = RingWriter(ring.fd)
            for number, size in enumerate(sizes):
                writer.append(_record(number, size))
        finally:
            os._exit(0)
    found: list[int] = []
    while reader.cursor < total:
        found += _all(reader)
    os.waitpid(pid, 0)
    assert found == sorted(set(found))
    assert len(found) + reader.missed == total
    assert found[-1] == total - 1


@pytest.mark.parametrize("seed", range(20))
def test_a_ring_that_lies_is_read_to_its_end_and_gives_nothing_that_is_not_whole(ring: RingFile, seed: int) -> None:
    """Words at random in head and index; a reader neither faults, nor loops, nor takes rubbish for a record."""
    noise = random.Random(seed)
    writer, reader = RingWriter(ring.fd), RingReader(ring.read_fd)
    for number in range(50):
        writer.append(_record(number, 1000))
    view = map_ring(ring.fd, writable=True)
    edges = (0, 1, 7, SHAPE.room, SHAPE.room - 1, 2**31, 2**32, 2**63, 2**64 - 1)
    places = [8 * COMMITTED, 8 * RESERVED] + [PAGE_BYTES + ENTRY.size * n + 8 * w for n in range(60) for w in range(4)]
    for _ in range(200):
        at = noise.choice(places)
        value = noise.choice((*edges, noise.getrandbits(16)))
        view[at : at + 8] = struct.pack("=Q", value)
        for _ in range(100):
            if reader.next() is None:
                break
        reader.cursor = min(reader.cursor, 60)
        late = RingReader(ring.read_fd)
        late.begin_with_oldest()
        if (raw := late.next()) is not None:
            assert 0 <= _number(raw.packed) < 50


def test_lies_about_lengths_cost_one_look_over_the_room(ring: RingFile) -> None:
    """Each entry says that its record fills a fourth of the room: 2,000 such are not copied one after the other."""
    writer, reader = RingWriter(ring.fd), RingReader(ring.read_fd)
    for number in range(SHAPE.entries):
        writer.append(_record(number, 0))
    index = map_ring(ring.fd, writable=True)[PAGE_BYTES : SHAPE.bytes_at].cast("Q")
    for entry in range(SHAPE.entries):
        index[4 * entry + 2] = SHAPE.room // 2
    assert reader.next() is None
    assert reader.cursor == SHAPE.entries == reader.missed
    assert reader._copied <= 2 * SHAPE.room


def test_what_is_no_ring_is_refused(ring: RingFile) -> None:
    other = os.memfd_create("other", os.MFD_ALLOW_SEALING)
    with pytest.raises(ValueError, match="not sealed"):
        RingReader(other)
    os.pwrite(ring.fd, b"other", 0)
    with pytest.raises(ValueError, match="another version"):
        RingReader(ring.read_fd)
    os.close(other)


def test_a_reader_cannot_write(ring: RingFile) -> None:
    with pytest.raises(OSError, match="denied"):
        map_ring(ring.read_fd, writable=True)
    with pytest.raises(OSError, match="Bad file"):
        os.pwrite(ring.read_fd, b"x", 0)
