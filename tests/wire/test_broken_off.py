"""Clients that leave in the middle or lie about their length: nothing half is inspected, and every slot comes back."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import requests

from tests.clients.raw_http import Connection, frame_request
from tests.support.faults import until
from tests.support.noting import Noting

_SIZES = [1, 64, 4096, 65_000]  # bytes of a row; what comes in one packet, and what does not


def _all_free(noting: Noting) -> bool:
    slots = noting.server.status()["slots"]
    return bool(slots["free_here"] >= slots["per_front"])


def _inspected(noting: Noting, place: int) -> list[str]:
    """What was inspected since `place`, once a frame of ours that comes after it has been."""
    with Connection(noting.server.port) as client:
        client.send(frame_request("last"))
        assert client.answer() is not None
    until(lambda: _all_free(noting))
    marks = noting.since(place)
    marks.remove("last")
    return marks


def _cut(dice: random.Random, request: bytes, body_bytes: int) -> bytes:
    """The request up to somewhere: half of them within the body."""
    least = dice.choice([0, len(request) - body_bytes])
    return request[: dice.randrange(least, len(request))]


def _leave(client: Connection, dice: random.Random) -> None:
    client.reset() if dice.random() < 0.5 else client.sock.close()


def _lie(client: Connection, _: random.Random) -> None:
    """End the sending side, and read what the server says to that."""
    answer = client.answer() if client.rest() else None
    if answer is not None:
        assert (answer.status, answer.json()["code"], answer.closes) == (400, "incomplete_body", True)
        assert client.answer() is None


def _break_off(noting: Noting, times: int, end: Callable[[Connection, random.Random], None]) -> None:
    """Break off requests, some of them behind a whole one on the same connection; only those were inspected."""
    dice, place, whole = random.Random(times), noting.noted_bytes, 0
    for _ in range(times):
        size = dice.choice(_SIZES)
        request = frame_request("whole", bytes(size))
        with Connection(noting.server.port) as client:
            if dice.random() < 0.3:
                client.send(request)
                answer = client.answer()
                assert answer is not None
                assert answer.status == 200
                whole += 1
            client.send(_cut(dice, request, size))
            end(client, dice)
    assert _inspected(noting, place) == ["whole"] * whole
    assert noting.server.status()["workers"]["deaths"] == 0


def test_a_client_that_leaves_in_the_middle_has_nothing_inspected(noting: Noting) -> None:
    _break_off(noting, 500, _leave)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_10_000_clients_that_leave_in_the_middle_have_nothing_inspected(noting: Noting) -> None:
    _break_off(noting, 10_000, _leave)


def test_a_body_shorter_than_its_length_is_never_inspected(noting: Noting) -> None:
    _break_off(noting, 300, _lie)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_10_000_bodies_shorter_than_their_length_are_never_inspected(noting: Noting) -> None:
    _break_off(noting, 10_000, _lie)


def _refused_early(noting: Noting, times: int) -> int:
    """How many of so many large uploads saw the answer that came before they were sent."""
    body = bytes(30 << 20)
    seen = 0
    for _ in range(times):
        try:
            answer = requests.post(f"{noting.server.url}/analyze_image", data=body, timeout=60)
        except requests.ConnectionError:
            continue
        seen += answer.status_code == 413 and answer.json()["code"] == "frame_too_large"
    return seen


def test_a_refusal_before_the_body_reaches_the_client(noting: Noting) -> None:
    assert _refused_early(noting, 30) == 30


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_refusal_before_the_body_reaches_99_of_100_clients(noting: Noting) -> None:
    assert _refused_early(noting, 1000) >= 990
