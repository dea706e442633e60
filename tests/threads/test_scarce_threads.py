"""A front that gets no more threads answers with those that it has."""

from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from service.threads.thread_pool import ScarceThreads


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_what_finds_no_thread_waits_for_one_that_is_there(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pool, gate = ScarceThreads(8), threading.Event()
    blocking = pool.submit(gate.wait, 60)
    assert not pool.are_scarce
    monkeypatch.setattr(threading.Thread, "start", _no_thread)
    waiting: list[Future[int]] = [pool.submit(int, number) for number in range(3)]
    assert pool.are_scarce
    assert len(caplog.messages) == 1  # not one for each of them
    assert "requests share the 1 there are" in caplog.text
    gate.set()
    assert blocking.result(60)
    assert [future.result(60) for future in waiting] == [0, 1, 2]
    monkeypatch.undo()
    pool.shutdown()


def test_threads_are_scarce_as_long_as_somebody_waits_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, gate = ScarceThreads(8), threading.Event()
    blocking = pool.submit(gate.wait, 60)
    monkeypatch.setattr(threading.Thread, "start", _no_thread)
    waiting = pool.submit(int)
    monkeypatch.undo()
    pool._scarce_until_s = 1.0  # long ago
    assert pool.are_scarce
    gate.set()
    assert (blocking.result(60), waiting.result(60)) == (True, 0)
    assert not pool.are_scarce
    pool.shutdown()


def test_without_a_first_thread_there_is_no_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading.Thread, "start", _no_thread)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        ScarceThreads(8)
