"""Bodies in memory of a front: whole however they are cut, counted from the first byte, and gone when they are done."""

from __future__ import annotations

import gc
import socket
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.http.body import Body, LengthReader
from hypothesis import given, settings
from hypothesis import strategies as st

import service.wire.gathering
from service.wire.chunks import BoundedChunks, ChunkScanner
from service.wire.gathered import BodyPaused, Gathered, SetAside, drop_gathered, gather
from service.wire.gathering import Chunked, Declared, Gathering
from service.wire.holdings import Holdings
from service.wire.plain_body import PlainBody, receive_in_steps
from service.wire.request_head import HeadSearch
from workers.errors import FrameTooLarge, HeadInvalid, IncompleteBody, NoFreeSlot

HEAD = b"PUT / HTTP/1.1\r\n\r\n"
MIB = 1 << 20


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Holdings:
    made = Holdings(16 * MIB, 0.75)
    monkeypatch.setattr(service.wire.gathering, "HELD", made)
    return made


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A client's end and ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        ours, _ = listener.accept()
        with ours:
            receive_in_steps(ours)
            yield client, ours


def _request(ours: socket.socket, length: int | None, early: bytes = b"") -> dict[str, Any]:
    """What gunicorn hands to an application, as far as bodies are concerned; no length is a chunked body."""
    unreader = _Unreader(early)
    reader = BoundedChunks(None, unreader) if length is None else LengthReader(unreader, length)
    return {"wsgi.input": Body(reader), "gunicorn.socket": ours, "REMOTE_ADDR": "10.0.0.1"}


class _Unreader:
    last_head = HEAD

    def __init__(self, early: bytes) -> None:
        self.left = early

    def take_buffered(self) -> bytes:
        left, self.left = self.left, b""
        return left

    def unread(self, data: bytes) -> None:
        self.left = data + self.left


def _paused(env: dict[str, Any], most_bytes: int = MIB) -> SetAside:
    try:
        gather(env, most_bytes)
    except BodyPaused as paused:
        return paused.aside
    raise AssertionError("the body was there")


def _chunked(body: bytes, sizes: list[int]) -> bytes:
    wire, at = b"", 0
    for size in sizes:
        if piece := body[at : at + size]:
            wire += b"%x\r\n%s\r\n" % (len(piece), piece)
        at += size
    rest = body[at:]
    return wire + (b"%x;last\r\n%s\r\n" % (len(rest), rest) if rest else b"") + b"0\r\nA: b\r\n\r\n"


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400), st.lists(st.integers(1, 90), max_size=9), st.lists(st.integers(1, 70)), st.booleans())
def test_a_body_is_whole_however_it_is_cut_and_ends_where_it_ends(
    body: bytes, sizes: list[int], cuts: list[int], declared: bool
) -> None:
    wire = (body if declared else _chunked(body, sizes)) + b"GET /next"
    gathering = Gathering(Declared(len(body)) if declared else Chunked(MIB), "10.0.0.1")
    at = 0
    for cut in [*cuts, *[1] * len(wire)]:
        if gathering.is_whole:
            break
        at += gathering.take(memoryview(wire[at : at + cut]))
    assert gathering.view == body
    assert wire[at:] == b"GET /next"
    gathering.release()


@given(st.binary(max_size=300))
def test_no_bytes_make_a_chunk_scanner_fail_otherwise_than_by_refusing(wire: bytes) -> None:
    alone, together = ChunkScanner(1000), ChunkScanner(1000)
    seen: list[object] = []
    for scanner, pieces in ((alone, [wire[at : at + 1] for at in range(len(wire))]), (together, [wire])):
        body, used = bytearray(), 0
        try:
            for piece in pieces:
                if not scanner.is_over:
                    used += scanner.feed(memoryview(piece), body.extend)
        except Exception as error:  # noqa: BLE001 - of whichever kind it is, both have to meet the same
            seen.append(type(error).__name__)
        else:
            seen.append((bytes(body), used, scanner.is_over))
    assert seen[0] == seen[1]
    assert seen[0] in ("BodyInvalid", "FrameTooLarge") or isinstance(seen[0], tuple)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_body_that_is_there_is_received_at_once(account: Holdings, declared: bool) -> None:
    body = bytes(range(256)) * 1000
    with connected() as (client, ours):
        wire = body if declared else _chunked(body, [100_000, 1])
        client.sendall(wire[1000:] + b"" if declared else wire[1000:] + b"GET /next")
        env = _request(ours, len(body) if declared else None, wire[:1000])
        assert gather(env, MIB) == body
        assert env["wsgi.input"].reader.unreader.left == (b"" if declared else b"GET /next")
        assert len(body) <= account.of("10.0.0.1") < len(body) + 4096
        assert gather(env, MIB) == body  # as often as one likes
        drop_gathered(env["wsgi.input"])
    assert (account.total_bytes, env["wsgi.input"].read(), env["wsgi.input"].failed) == (0, b"", False)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
def test_a_body_that_does_not_flow_is_set_aside_and_goes_on_where_it_was(account: Holdings, declared: bool) -> None:
    body = bytes(range(256)) * 20
    wire = body if declared else _chunked(body, [2000])
    with connected() as (client, ours):
        client.sendall(wire[10:3000])
        head, gathering = _paused(_request(ours, len(body) if declared else None, wire[:10]))
        assert (head, 2900 < gathering.got <= 3000) == (HEAD, True)
        assert account.of("10.0.0.1") == (8192 if declared else 4096)  # a small one is all there from the beginning
        client.sendall(wire[3000:])
        while not gathering.is_whole:
            assert gathering.receive(ours) != 0
        reader = Gathered(gathering, None)
        assert [reader.read(100), reader.read(1 << 30), reader.read(1)] == [body[:100], body[100:], b""]


def test_a_plain_body_that_was_on_its_way_into_a_slot_counts_from_its_first_byte(account: Holdings) -> None:
    with connected() as (_, ours):
        plain = PlainBody(ours, HEAD, memoryview(bytes(5000)), MIB)
        with pytest.raises(BodyPaused) as paused:
            plain.await_flow()
        assert paused.value.aside.body.got == 5000
        assert account.of("127.0.0.1") == 8192


def test_a_client_that_stops_or_sends_too_much_leaves_nothing_behind(account: Holdings) -> None:
    with connected() as (client, ours):
        client.sendall(b"abc")
        client.shutdown(socket.SHUT_WR)
        env = _request(ours, 10)
        with pytest.raises(IncompleteBody, match="after 3 of 10 bytes"):
            gather(env, MIB)
        assert env["wsgi.input"].failed
        with pytest.raises(FrameTooLarge, match="has 11 bytes, at most 10"):
            gather(_request(ours, 11), 10)
        with pytest.raises(FrameTooLarge, match="at most 10 are accepted"):
            gather(_request(ours, None, b"b\r\nhello"), 10)
    assert account.total_bytes == 0


def test_who_has_his_share_gets_no_more_room_and_the_others_do(account: Holdings) -> None:
    big = Gathering(Declared(20 * MIB), "10.0.0.2")
    big.take(memoryview(bytes(12 * MIB)))
    with pytest.raises(NoFreeSlot, match="share"):
        big.take(memoryview(b"x"))
    assert account.of("10.0.0.2") == account.share_bytes
    small = Gathering(Declared(8 * MIB), "10.0.0.1")
    told = []
    big.on_let_go = lambda: told.append("big")
    small.take(memoryview(bytes(8 * MIB)))  # four fit beside the other
    assert (small.is_whole, told, big.is_over) == (True, ["big"], True)
    with pytest.raises(NoFreeSlot):
        _ = big.view
    with pytest.raises(NoFreeSlot):
        big.take(memoryview(b"x"))


def _private_bytes() -> int:
    rows = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(row.split()[1]) for row in rows if row.startswith("Anonymous:"))


def test_memory_returns_without_the_collector() -> None:
    """Of bodies that were received, refused, set aside and lost, in whatever way their exceptions went."""
    gc.collect()
    gc.disable()
    before = _private_bytes()
    seen: list[weakref.ref[Gathering]] = []
    try:
        with connected() as (_, ours):
            for number in range(16):
                aside = _paused(_request(ours, 12 * MIB, bytes(8 * MIB)), 12 * MIB)
                seen.append(weakref.ref(aside.body))
                if number % 2:
                    aside.body.release()
                    kept = [aside]  # who released it may still know it
                del aside
        assert not [body for body in seen[::2] if body() is not None]
        assert _private_bytes() - before < 40 * MIB
        assert kept[0].body.is_over
    finally:
        gc.enable()


def test_a_huge_declared_length_costs_nothing_before_it_comes(account: Holdings) -> None:
    before = _private_bytes()
    bodies = [Gathering(Declared(1 << 40), f"10.0.0.{number}") for number in range(100)]
    for body in bodies:
        body.take(memoryview(b"x"))
    assert account.total_bytes == 100 * 4096
    assert _private_bytes() - before < 4 * MIB
    for body in bodies:
        body.release()


def test_a_head_is_looked_for_in_what_is_new() -> None:
    search = HeadSearch()
    for number in range(100_000):
        assert not search.ends_in(b"y")
        assert len(search._tail) <= 3, number  # all that is looked at again
    assert [search.ends_in(piece) for piece in (b"\r", b"\n", b"\r", b"\n")] == [False, False, False, True]


@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"\r\n", b"b: c"])), st.lists(st.integers(1, 5)))
def test_a_head_ends_where_it_ends_however_it_is_cut(parts: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(parts)
    whole = BytesIO(wire)
    search, came = HeadSearch(), b""
    for cut in [*cuts, *[1] * len(wire)]:
        came += (piece := whole.read(cut))
        try:
            ended = search.ends_in(piece)
        except HeadInvalid:
            assert b"\n" in came.replace(b"\r\n", b"")
            return
        assert ended == (b"\r\n\r\n" in came)
        if ended:
            return
        assert b"\n" not in came.replace(b"\r\n", b"")


def test_the_reader_of_a_chunked_body_reads_nothing_by_itself() -> None:
    body = Body(BoundedChunks(SimpleNamespace(), None))
    with pytest.raises(Exception):  # noqa: B017, PT011 - gunicorn's, of whichever kind: the connection has to end
        body.read()
    assert body.failed
