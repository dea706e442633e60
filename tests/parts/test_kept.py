"""Parts that are open outlive whoever joins them: killed at any byte, each is as it was before or as it is now."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from service.parts.desk.kept import HALF_BYTES, Kept
from service.parts.joining import OK, Frame, Part, Seen
from service.parts.plans import PartPlan
from workers.flow.part import MOST_VIEW_BYTES, MOST_VIEWS
from workers.pool.job import MAX_PART_BYTES


@pytest.fixture
def fd() -> Iterator[int]:
    made = os.memfd_create("kept")
    yield made
    os.close(made)


def part(name: str, due_ns: int = 1) -> Part:
    return Part(name, 1, PartPlan(("top", "left"), 100), 1, due_ns)


def kept(fd: int) -> list[Part]:
    return Kept(fd).load()


def test_what_is_saved_is_there_and_what_is_cleared_is_not(fd: int) -> None:
    store = Kept(fd)
    assert store.load() == []
    parts = [part(f"p{number}", number) for number in range(20)]
    for one in parts:
        store.save(one)
    parts[3].add("top", Seen(OK, Frame(9, 1)))
    store.save(parts[3])
    for one in parts[10:]:
        store.clear(one)
    assert kept(fd) == parts[:10]
    again = Kept(fd)
    again.load()
    again.save(part("new", 99))
    assert [one.name for one in kept(fd)] == [*(f"p{number}" for number in range(10)), "new"]
    assert os.fstat(fd).st_size <= 20 * 2 * HALF_BYTES


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(written=st.integers(0, 300), clears=st.booleans())
def test_a_write_that_was_cut_off_leaves_what_was_before(fd: int, written: int, clears: bool) -> None:
    os.ftruncate(fd, 0)
    store = Kept(fd)
    one = part("4711")
    for came_ns, view in enumerate(("top", "left")):
        one.add(view, Seen(OK, Frame(came_ns, 0)))
        before = os.pread(fd, 2 * HALF_BYTES, 0).ljust(2 * HALF_BYTES, b"\0")
        store.save(one)
    told = [*kept(fd)]
    if clears:
        before = os.pread(fd, 2 * HALF_BYTES, 0).ljust(2 * HALF_BYTES, b"\0")
        store.clear(one)
    after = os.pread(fd, 2 * HALF_BYTES, 0).ljust(2 * HALF_BYTES, b"\0")
    changed = [at for at in range(len(after)) if before[at : at + 1] != after[at : at + 1]]
    # as far as its writer came: all bytes behind that are as they were
    cut = changed[0] + written
    os.pwrite(fd, after[:cut] + before[cut:], 0)
    found = kept(fd)
    if cut > changed[-1]:
        assert found == ([] if clears else told)
    elif clears:
        assert found == told
    else:
        assert [sorted(known.seen) for known in found] == [["top"]]


def test_the_largest_part_that_may_be_fits(fd: int) -> None:
    views = tuple(f"{number:02}" + "\u017e" * (MOST_VIEW_BYTES // 2 - 1) for number in range(MOST_VIEWS))
    one = Part("\0" * MAX_PART_BYTES, (1 << 64) - 1, PartPlan(views, 600_000, "\U0001f4a9" * 500), 1 << 63, 1 << 62)
    for view in views:
        one.add(view, Seen("MISSING", Frame((1 << 63) - 1, 255)))
    one.fault = "unknown_view"
    Kept(fd).save(one)
    assert kept(fd) == [one]
