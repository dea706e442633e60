"""What all processes share about modules and exceptions: names that stay, counts that add up, one line for many."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator

import pytest

from workers.memory.arena import ArenaFile, create_arena, map_part
from workers.memory.control import ControlPage
from workers.memory.crash_table import QUIET_NS, CrashTable
from workers.memory.layout import CRASH_KINDS, MODULE_PLACES, Geometry
from workers.memory.module_table import OTHERS, OUTSIDE, ModuleTable

GEOMETRY = Geometry(fronts=2, workers=1, slots_per_front=1, request_bytes=4096, reply_bytes=4096)
SECOND_NS = 10**9


@pytest.fixture(name="arena")
def made_arena() -> Iterator[ArenaFile]:
    arena = create_arena(GEOMETRY)
    yield arena
    os.close(arena.fd)


def mapped(arena: ArenaFile) -> memoryview:
    return map_part(arena, 0, GEOMETRY.headers_at, writable=True)


@pytest.fixture(name="modules")
def module_table(arena: ArenaFile) -> ModuleTable:
    low = mapped(arena)
    return ModuleTable(low, GEOMETRY, ControlPage(low, GEOMETRY).words)


def test_a_module_keeps_its_place_whatever_is_loaded(modules: ModuleTable) -> None:
    first, second = [(1, "look"), (2, "count")], [(1, "crop"), (2, "look"), (3, "count"), (1, "look")]
    modules.enter(first)
    before = modules.places(first)
    modules.enter(second)
    modules.enter(first)
    assert modules.places(first) == before
    assert len({*before.values(), *modules.places(second[:3]).values(), OUTSIDE, OTHERS}) == 7
    assert modules.name(before[2]).label == "module 2 (count)"
    modules.fronts[0][before[1]] += 2
    modules.fronts[1][before[1]] += 3
    assert {name.label: frames for name, frames in modules.errors() if frames} == {"module 1 (look)": 5}


def test_there_is_an_end_to_names_and_none_to_counting(modules: ModuleTable) -> None:
    many = [(number, f"module {number}") for number in range(1, MODULE_PLACES + 100)]
    modules.enter(many)
    places = modules.places(many)
    assert len(set(places.values())) == MODULE_PLACES - 1  # all but that of what is outside
    assert modules.name(places[MODULE_PLACES + 99]).label == "other modules"
    assert modules.name(2**63).label == "other modules"
    assert len(list(modules.errors())) == MODULE_PLACES


@pytest.mark.parametrize("name", ["ž" * 200, "a" * 119 + "ž", "\udc80", "x"])
def test_names_of_any_length_are_found_again(modules: ModuleTable, name: str) -> None:
    modules.enter([(7, name)])
    found = modules.name(modules.places([(7, name)])[7])
    assert found.id == 7
    assert found.name
    assert name.encode("utf-8", "backslashreplace").decode().startswith(found.name)


def test_each_kind_is_new_once_a_minute_and_the_others_are_counted(arena: ArenaFile) -> None:
    table, now_ns = CrashTable(mapped(arena), GEOMETRY, arena.fd), 5 * SECOND_NS
    assert table.is_new("a", now_ns) == 0
    assert [table.is_new("a", now_ns + n * SECOND_NS) for n in (0, 1, 59)] == [None, None, None]
    assert table.is_new("b", now_ns) == 0
    assert table.is_new("a", now_ns + QUIET_NS) == 3
    assert table.is_new("a", now_ns + 2 * QUIET_NS) == 0
    assert table.is_new("a", now_ns + 2 * QUIET_NS + 1) is None
    assert table.left(now_ns + 2 * QUIET_NS + SECOND_NS) == []
    assert table.left(now_ns + 4 * QUIET_NS) == [("a", 1)]
    assert table.left(now_ns + 5 * QUIET_NS) == []
    assert table.is_new("a", now_ns + 5 * QUIET_NS) == 0


def test_of_too_many_kinds_the_oldest_is_forgotten(arena: ArenaFile) -> None:
    table = CrashTable(mapped(arena), GEOMETRY, arena.fd)
    for number in range(CRASH_KINDS + 1):
        assert table.is_new("ž" * 300 + str(number), SECOND_NS + number) == 0
    assert table.is_new("ž" * 300 + "1", 2 * SECOND_NS) is None
    assert table.is_new("ž" * 300 + "0", 2 * SECOND_NS) == 0


def _count(arena: ArenaFile, times: int) -> None:
    table = CrashTable(mapped(arena), GEOMETRY, arena.fd)
    new = [table.is_new("kind", SECOND_NS) for _ in range(times)]
    os._exit(len([each for each in new if each is not None]))


def test_processes_that_raise_at_once_log_once_and_lose_no_count(arena: ArenaFile) -> None:
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_count, args=(arena, 500)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert sum(child.exitcode or 0 for child in children) == 1
    table = CrashTable(mapped(arena), GEOMETRY, arena.fd)
    assert table.left(10 * QUIET_NS) == [("kind", 4 * 500 - 1)]


def test_who_has_closed_the_memory_logs_all_the_same() -> None:
    arena = create_arena(GEOMETRY)
    table = CrashTable(mapped(arena), GEOMETRY, arena.fd)
    os.close(arena.fd)
    assert table.is_new("kind", SECOND_NS) == 0
    assert table.left(10 * QUIET_NS) == []
