"""Who looks on for all pages: what is seen of records, and that nobody looks where no page is open."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from service.live.seen import Seen
from service.live.watching import View, Watching
from service.results.record import Head, Record, Times, about_bytes, error_bytes
from service.results.ring import RingWriter, create_ring

S = 1_000_000_000
NOW = 1_800_000_000 * S


def _record(
    at_ns: int, verdict: bool | None = True, camera: str = "top", took_ms: int = 5, status: int = 200
) -> Record:
    head = Head(at_ns, 1, status, verdict, times=Times(took_ns=took_ms * 1_000_000))
    told = error_bytes("worker_crashed", "gone") if status != 200 else b""
    return Record.unpack(head.pack(about_bytes(camera, camera, "P1", ""), told, b'{"score": 0.5}'))


def test_rates_times_and_rejected_parts_are_those_of_the_records() -> None:
    seen = Seen()
    for number in range(100):
        seen.add(_record(NOW - (100 - number) * S // 10, verdict=number % 10 != 0, took_ms=number + 1))
    assert seen.rate.per_second(NOW) == pytest.approx(10)
    assert seen.slowest.p99_ns(NOW) == pytest.approx(99 * 1_000_000, rel=0.05)
    assert len(seen.rejected) == 10
    assert (seen.rejected[-1].word, seen.rejected[-1].part, seen.rejected[-1].score) == ("NOK", "P1", 0.5)
    seen.add(_record(NOW, None, status=500))
    assert seen.rejected[-1].word == "ERROR"
    assert seen.rate.per_second(NOW + 3600 * S) == 0
    assert seen.slowest.p99_ns(NOW + 3600 * S) is None


def test_a_camera_is_silent_when_it_pauses_for_much_longer_than_it_did() -> None:
    seen = Seen()
    for number in range(20):
        seen.add(_record(NOW + number * S, camera="slow"))
        seen.add(_record(NOW + number * S // 10, camera="quick"))
    now = NOW + 19 * S
    assert not seen.cameras["slow"].is_silent(now + 9 * S)
    assert seen.cameras["slow"].is_silent(now + 11 * S)
    assert seen.cameras["quick"].is_silent(now)
    assert seen.cameras["slow"].rate.per_second(now) == pytest.approx(10 / 9)


def test_it_is_bounded_whatever_comes() -> None:
    seen = Seen()
    for number in range(6000):
        seen.add(_record(NOW + number, verdict=False, camera=f"c{number % 500}"))
    assert len(seen.cameras) == 64
    assert "c499" in seen.cameras
    assert len(seen.rejected) == 24
    assert seen.rate.per_second(NOW + S) > 500


def _until(done: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + 60
    while not done():
        assert time.monotonic() < give_up_s
        time.sleep(0.01)


def test_there_is_one_thread_for_all_who_look_and_none_when_nobody_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.live.watching._LINGER_S", 0.5)
    rings = [create_ring(front, 1) for front in range(2)]
    writers = [RingWriter(ring.fd) for ring in rings]

    def append(front: int, number: int) -> None:
        head = Head(NOW + number, 1, 200, False)
        writers[front].append(head.pack(about_bytes("c", "c", str(number), ""), b"", b""))

    def parts(view: View) -> list[str]:
        return [one.part for one in view.seen.rejected]

    append(0, 1)
    append(1, 2)
    watching = Watching([ring.read_fd for ring in rings], parts)
    before = threading.active_count()
    assert not watching.is_running
    assert watching.newest() == ["1", "2"]  # what was there before anybody looked
    turn, _ = watching.after(0, 60)
    assert watching.newest() is not None
    assert threading.active_count() == before + 1
    append(1, 3)
    append(0, 4)
    found: list[str] = []

    def has_come() -> bool:
        nonlocal turn
        turn, made = watching.after(turn, 60)
        found[:] = made or []
        return len(found) == 4

    _until(has_come)
    assert found == ["1", "2", "3", "4"]
    _until(lambda: not watching.is_running)
    _until(lambda: threading.active_count() == before)
    append(0, 5)
    assert watching.newest() == ["1", "2", "3", "4", "5"]
    _until(lambda: not watching.is_running)


def test_a_fault_ends_nothing_but_this_look(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("service.live.watching._LINGER_S", 0.5)
    monkeypatch.setattr("service.live.watching._FIRST_S", 0.2)
    ring = create_ring(0, 1)
    made: list[int] = []

    def make(_: View) -> int:
        made.append(1)
        if len(made) == 1:
            raise ValueError("a fault")
        return len(made)

    watching = Watching([ring.read_fd], make)
    assert watching.newest() is None
    _until(lambda: not watching.is_running)
    assert "met a fault of ours" in caplog.text
    assert watching.newest() == 2
    _until(lambda: not watching.is_running)
