"""What a client has not taken waits in order, is counted, and is forgotten at once when it must be; on real sockets."""

from __future__ import annotations

import gc
import random
import select
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn

from service.connections.lobby import Lobby
from service.connections.outbox import Outbox
from service.connections.slow_heads import Patience, SlowHeads
from service.wire.holdings import Holdings
from service.wire.unsent import Outgoing, PlainClient

_MIB = 1 << 20
_BUFFER_BYTES = 16 << 10


@dataclass(slots=True)
class _Front:
    """The main loop of a front with nothing in it but an outbox and a lobby."""

    poller: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    ended: list[str] = field(default_factory=list)
    outbox: Outbox = field(init=False)
    lobby: Lobby = field(init=False)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.poller, 10.0, self._close, lambda: self.ended.append("cut"))
        self.lobby = Lobby(
            self.poller,
            deliver=self.outbox.deliver,
            left=lambda: self.ended.append("left"),
            refused=lambda _, _address: self.ended.append("refused"),
            later=lambda call: call(),
        )

    def _close(self, conn: Any) -> None:
        self.lobby.close(conn)

    def turn(self) -> None:
        for key, _ in self.poller.select(0.01):
            key.data(key.fileobj)
        self.outbox.call_time()
        self.lobby.call_time()

    def read_until(self, line: _Line, end: bytes) -> bytes:
        read = b""
        while not read.endswith(end):
            self.turn()
            read = line.read(1 << 16, behind=read)
        return read

    def run_until(self, condition: Callable[[], object]) -> None:
        give_up_s = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < give_up_s
            self.turn()


@pytest.fixture(autouse=True)
def holdings(monkeypatch: pytest.MonkeyPatch) -> Holdings:
    """An account of this test's own: 64 MiB, half of it for one client."""
    account = Holdings(64 * _MIB, 0.5)
    monkeypatch.setattr(Outgoing, "holdings", account)
    return account


@pytest.fixture
def front() -> Iterator[_Front]:
    made = _Front()
    yield made
    made.lobby.end()
    made.outbox.end()
    made.poller.close()


@dataclass(slots=True)
class _Line:
    """Both ends of a connection that buffers little; `conn` is gunicorn's."""

    conn: Any
    theirs: socket.socket

    @property
    def ours(self) -> PlainClient:
        sock: PlainClient = self.conn.sock
        return sock

    def read(self, count: int, behind: bytes = b"") -> bytes:
        """What has come since, up to `count` bytes, `behind` what came before."""
        self.theirs.setblocking(False)
        try:
            return behind + self.theirs.recv(count)
        except BlockingIOError:
            return behind

    def read_to_the_end(self) -> None:
        self.theirs.settimeout(30)
        while self.theirs.recv(1 << 20):
            pass


@pytest.fixture
def lines() -> Iterator[Callable[[str], _Line]]:
    """Makes such connections, from an address."""
    opened: list[_Line] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def make(address: str) -> _Line:
            theirs = socket.socket()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            theirs.bind((address, 0))
            theirs.connect(listener.getsockname())
            ours = PlainClient.of(listener.accept()[0])
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
            opened.append(_Line(TConn(Config(), ours, (address, 1), listener.getsockname()), theirs))
            return opened[-1]

        yield make
        for line in opened:
            line.ours.close()
            line.theirs.close()


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_said_arrives_in_its_order(
    front: _Front, lines: Callable[[str], _Line], holdings: Holdings, seed: int
) -> None:
    chance = random.Random(seed)
    line = lines("127.0.0.1")
    said = b""
    for size in [0, 1, 70_000, *(chance.choice([1, 500, 5_000, 200_000]) for _ in range(8)), 0]:
        piece = chance.randbytes(size)
        chance.choice([line.ours.sendall, line.ours.send])(piece)
        said += piece
    assert line.ours.unsent is not None
    assert line.ours.unsent.byte_count == holdings.total_bytes > 0
    done: list[bool] = []
    front.outbox.deliver(line.conn, lambda: done.append(True))
    read = bytearray()

    def all_read() -> bool:
        read.extend(line.read(chance.choice([1000, 1 << 16])))
        return len(read) == len(said)

    front.run_until(all_read)
    front.run_until(lambda: done)
    assert read == said
    assert getattr(line.ours, "unsent", 0) is None
    assert holdings.total_bytes == 0
    assert front.ended == []


def test_chunks_arrive_whole(front: _Front, lines: Callable[[str], _Line]) -> None:
    line = lines("127.0.0.1")
    for size in (3, 100_000, 5, 0):
        util.write_chunk(line.ours, b"c" * size)
    front.outbox.deliver(line.conn, lambda: front.lobby.see_off(line.conn))
    read = front.read_until(line, b"0\r\n\r\n")
    assert read == b"3\r\nccc\r\n186A0\r\n" + b"c" * 100_000 + b"\r\n5\r\nccccc\r\n0\r\n\r\n"
    line.theirs.close()
    front.run_until(lambda: front.ended == ["left"])


def test_who_would_leave_more_than_a_share_loses_the_connection(
    front: _Front, lines: Callable[[str], _Line], holdings: Holdings
) -> None:
    patient, greedy = lines("127.0.0.1"), lines("127.0.0.1")
    patient.ours.sendall(bytes(20 * _MIB))
    with pytest.raises(ConnectionResetError):
        greedy.ours.sendall(bytes(20 * _MIB))
    with pytest.raises(ConnectionResetError):  # nothing may follow where something is missing
        greedy.ours.sendall(b"x")
    assert holdings.total_bytes < 20 * _MIB
    front.outbox.deliver(greedy.conn, pytest.fail)
    assert front.ended == ["cut", "left"]
    assert patient.ours.unsent is not None
    assert not patient.ours.unsent.is_lost


def test_who_leaves_most_goes_when_others_need_the_room(
    front: _Front, lines: Callable[[str], _Line], holdings: Holdings
) -> None:
    most, middle, other = lines("127.0.0.1"), lines("127.0.0.2"), lines("127.0.0.3")
    for line, size in ((most, 30), (middle, 25), (other, 20)):
        line.ours.sendall(bytes(size * _MIB))
        front.outbox.deliver(line.conn, pytest.fail)
    assert holdings.of("127.0.0.1") == 0
    front.run_until(lambda: front.ended == ["cut", "left"])
    assert most.ours.fileno() < 0
    with pytest.raises(ConnectionResetError):  # not an end that looks like one
        most.read_to_the_end()
    assert min(holdings.of("127.0.0.2"), holdings.of("127.0.0.3")) > 19 * _MIB


def _own_bytes() -> int:
    rows = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(row.split()[1]) for row in rows if row.startswith("Anonymous:"))


def test_what_is_lost_gives_its_memory_back_without_the_collector(lines: Callable[[str], _Line]) -> None:
    frame = memoryview(bytearray(20 * _MIB))
    gc.collect()
    gc.disable()
    try:
        before = _own_bytes()
        ends: list[Callable[[_Line], None]] = [
            lambda line: line.ours.unsent.lose(),  # type: ignore[union-attr]
            lambda line: line.ours.close(),
        ]
        for end in ends:
            line = lines("127.0.0.1")
            line.ours.sendall(frame)
            assert _own_bytes() > before + 18 * _MIB
            end(line)
            assert _own_bytes() < before + 2 * _MIB
        for _ in range(20):
            line, second = lines("127.0.0.1"), lines("127.0.0.1")
            line.ours.sendall(frame)
            with pytest.raises(ConnectionResetError):
                second.ours.sendall(frame)
            line.ours.close()
        assert _own_bytes() < before + 2 * _MIB
    finally:
        gc.enable()


def test_a_request_refused_in_the_lobby_has_its_answer_behind_what_is_still_on_its_way(
    front: _Front, lines: Callable[[str], _Line]
) -> None:
    line = lines("127.0.0.1")
    poll = select.poll()
    poll.register(line.ours, select.POLLOUT)
    while line.ours.take(b"x" * 1000) or poll.poll(300):  # until the kernel is full, though nothing waits with us
        pass
    line.conn.init()
    SlowHeads(front.lobby, Patience(5.0, 5.0), go_on=pytest.fail).await_head(line.conn)
    line.theirs.send(b"G\n")
    front.run_until(lambda: front.ended)
    assert line.ours.unsent is not None
    read = front.read_until(line, b"}")
    assert read.lstrip(b"x").startswith(b"HTTP/1.1 400 ")
    line.theirs.close()
    front.run_until(lambda: front.ended == ["refused", "left"])


def test_the_place_of_who_waits_for_longest_is_given_to_who_comes(front: _Front, lines: Callable[[str], _Line]) -> None:
    first, second, other = lines("127.0.0.1"), lines("127.0.0.1"), lines("127.0.0.2")
    assert not front.outbox.make_room()
    for line in (other, first, second):
        line.ours.sendall(bytes(_MIB))
        front.outbox.deliver(line.conn, pytest.fail)
    assert front.outbox.largest_crowd == 2
    assert front.outbox.make_room()
    assert [line.ours.fileno() < 0 for line in (other, first, second)] == [False, True, False]
    assert front.outbox.largest_crowd == 1
