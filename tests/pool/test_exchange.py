"""A frame's way through a front in one call, in C and in Python: what each of its steps may meet."""

from __future__ import annotations

import os
import platform
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from service.wire.plain_body import receive_in_steps
from workers.memory.slot import Header, IllegalMove, State, Word
from workers.pool import exchange
from workers.pool.channel import Channel, Descriptor, signal_done
from workers.pool.exchange import Exchange

AREA_BYTES = 1 << 20
GENERATION = 7 << 40
A_MINUTE_NS = 60 * 10**9


def test_it_is_built_where_it_can_be() -> None:
    assert (exchange._exchange is not None) is (platform.machine() in {"x86_64", "aarch64"})


@dataclass(slots=True)
class Stage:
    """A slot that is being filled, with its client, its front's exchange, and the queue that workers wait on."""

    header: Header
    area: memoryview
    client: socket.socket
    ours: socket.socket
    channel: Channel
    exchange: Exchange

    def announced(self) -> list[Descriptor]:
        """What is in the queue."""
        found = []
        while True:
            try:
                found.append(Descriptor.unpack(os.read(self.channel.inbox_fd, 64)))
            except BlockingIOError:
                return found

    def work(self, before: Callable[[], None] = lambda: None) -> threading.Thread:
        """Be a worker that waits for one frame, and ends it after `before`."""

        def run() -> None:
            os.set_blocking(self.channel.inbox_fd, True)
            assert Descriptor.unpack(os.read(self.channel.inbox_fd, 64)) == Descriptor(self.header.index, GENERATION)
            os.set_blocking(self.channel.inbox_fd, False)
            self.header.move(State.RUNNING)
            before()
            self.header.move(State.DONE)
            signal_done(self.channel.done_fds[self.header.index])

        thread = threading.Thread(target=run)
        thread.start()
        return thread


@pytest.fixture(params=["C", "Python"])
def stage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    if request.param == "Python":
        monkeypatch.setattr(exchange, "_exchange", None)
    elif exchange._exchange is None:
        pytest.skip("exchange.c was not built for this processor")
    header = Header(1, memoryview(bytearray(16384)))
    header.format()
    header.move(State.FILLING)
    header.words[Word.GENERATION] = GENERATION
    header.words[Word.DEADLINE_NS] = time.monotonic_ns() + A_MINUTE_NS
    area = memoryview(bytearray(AREA_BYTES))
    channel = Channel.create(2)
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        ours, _ = listener.accept()
        receive_in_steps(ours)
        with ours:
            made = Exchange(header, area, channel.submit_fd, channel.done_fds[1])
            yield Stage(header, area, client, ours, channel, made)
    for fd in (channel.submit_fd, channel.inbox_fd, *channel.done_fds):
        os.close(fd)


def test_a_frame_is_queued_once_it_is_whole_and_done_when_it_returns(stage: Stage) -> None:
    frame = os.urandom(AREA_BYTES)
    stage.area[:100] = frame[:100]
    sender = threading.Thread(target=stage.client.sendall, args=(frame[100:],))
    worker = stage.work()
    begun_ns = time.monotonic_ns()
    sender.start()
    got = 100
    while got < AREA_BYTES:  # a loaded machine may bring it in more than one step
        assert stage.header.state is State.FILLING
        got += max(0, stage.exchange.take(stage.ours, got, AREA_BYTES))
    sender.join()
    worker.join()
    assert stage.header.state is State.DONE
    assert bytes(stage.area) == frame
    assert begun_ns < stage.header.words[Word.QUEUED_NS] < time.monotonic_ns()


def test_a_part_is_no_frame_and_is_not_announced(stage: Stage) -> None:
    stage.client.sendall(b"abc")
    assert stage.exchange.take(stage.ours, 0, 10) == 3
    assert stage.exchange.take(stage.ours, 3, 10) == -1
    stage.client.sendall(b"def")
    stage.client.shutdown(socket.SHUT_WR)
    assert stage.exchange.take(stage.ours, 3, 10) == 3
    assert stage.exchange.take(stage.ours, 6, 10) == 0
    assert bytes(stage.area[:7]) == b"abcdef\0"
    assert stage.header.state is State.FILLING
    assert stage.announced() == []


def test_a_client_that_breaks_off_has_stopped_sending(stage: Stage) -> None:
    stage.ours.sendall(b"not read")  # so its close is a reset
    stage.client.close()
    while (came := stage.exchange.take(stage.ours, 0, 10)) == -1:
        pass
    assert came == 0
    assert stage.header.state is State.FILLING


def test_no_more_than_its_length_is_received(stage: Stage) -> None:
    stage.client.sendall(b"frame, and the next head")
    worker = stage.work()
    while stage.exchange.take(stage.ours, 0, 5) == -1:
        pass
    worker.join()
    assert bytes(stage.area[:6]) == b"frame\0"
    assert stage.ours.recv(100) == b", and the next head"


def test_a_frame_that_is_there_is_queued_at_once(stage: Stage) -> None:
    worker = stage.work()
    stage.exchange.go()
    worker.join()
    assert stage.header.state is State.DONE


def test_one_that_is_not_done_soon_is_left_to_who_goes_on_waiting(stage: Stage) -> None:
    stage.exchange.go()
    assert stage.header.state is State.QUEUED
    assert stage.announced() == [Descriptor(1, GENERATION)]


def test_a_stale_wake_up_ends_nothing(stage: Stage) -> None:
    done_fd = stage.channel.done_fds[1]
    signal_done(done_fd)
    worker = stage.work(before=lambda: signal_done(done_fd))
    stage.exchange.go()
    worker.join()
    assert stage.header.state is State.DONE


def test_a_deadline_that_has_passed_is_not_waited_for(stage: Stage) -> None:
    stage.header.words[Word.DEADLINE_NS] = 1
    stage.exchange.go()
    assert stage.header.state is State.QUEUED


@pytest.mark.parametrize("state", [State.FREE, State.QUEUED, State.RUNNING, State.DONE])
def test_only_a_slot_that_is_being_filled_is_queued(stage: Stage, state: State) -> None:
    stage.header.words[Word.STATE] = state
    with pytest.raises(IllegalMove, match=f"{state.name} -> QUEUED"):
        stage.exchange.go()
    assert stage.header.state is state
    assert stage.announced() == []


def test_a_full_queue_loses_no_frame(stage: Stage) -> None:
    try:
        while True:
            os.write(stage.channel.submit_fd, Descriptor(0, 0).pack())
    except BlockingIOError:
        pass
    stage.exchange.go()
    assert stage.header.state is State.QUEUED  # who watches the slots announces it again
    assert Descriptor(1, GENERATION) not in stage.announced()


@pytest.mark.parametrize(("got", "length"), [(0, AREA_BYTES + 1), (-1, 5), (6, 5)])
def test_nothing_is_received_beside_the_area(stage: Stage, got: int, length: int) -> None:
    stage.client.sendall(b"12345678")
    with pytest.raises(ValueError, match=f"{got} of {length} bytes"):
        stage.exchange.take(stage.ours, got, length)
    assert stage.header.state is State.FILLING
