"""Many requests on one connection: in order, one answer each, and an error harms none of those behind it."""

from __future__ import annotations

import random
import socket

import pytest

from tests.clients.raw_http import Connection, frame_request
from tests.support.noting import Noting
from tests.wire.malformed import CASES, RAW

_HOST = b" HTTP/1.1\r\nHost: a\r\n"
_FORM = b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nvalue\r\n--b--\r\n'
_ERRORS = {
    "nothing-there": b"GET /nothing" + _HOST + b"\r\n",
    "wrong-method": b"DELETE /ping" + _HOST + b"\r\n",
    "no-such-parameter": b"POST /analyze_raw_image?width=x" + _HOST + b"Content-Length: 4\r\n\r\nabcd",
    "wrong-size": f"POST {RAW}x".encode() + _HOST + b"Content-Length: 3\r\n\r\nabc",
    "empty": f"POST {RAW}x".encode() + _HOST + b"Content-Length: 0\r\n\r\n",
    "no-image": b"POST /analyze_image" + _HOST + b"Content-Length: 9\r\n\r\nno image!",
    "damaged": b"POST /analyze_image" + _HOST + b"Content-Length: 12\r\n\r\n\x89PNG\r\n\x1a\nabcd",
    "no-segment": b"POST /analyze_image_shared_memory?name=psm_00000000&width=1&height=1" + _HOST + b"\r\n",
    "chunked-wrong-size": f"POST {RAW}x".encode() + _HOST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "form-without-frame": b"POST /analyze_image" + _HOST + b"Content-Type: multipart/form-data; boundary=b\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_FORM), _FORM),
    "options": b"OPTIONS /analyze_image" + _HOST + b"\r\n",
    "too-large": b"POST /analyze_image" + _HOST + b"Content-Length: 99999999\r\n\r\n",
}


@pytest.mark.parametrize("name", _ERRORS)
@pytest.mark.parametrize("together", [True, False])
def test_a_request_behind_an_error_gets_its_own_answer(noting: Noting, name: str, together: bool) -> None:
    good = frame_request("behind")
    with Connection(noting.server.port) as client:
        client.send(_ERRORS[name] + good if together else _ERRORS[name])
        refused = client.answer()
        assert refused is not None
        assert refused.status == 200 if name == "options" else 400 <= refused.status < 500
        if not together and not refused.closes:
            client.send(good)
        answer = client.answer() if together or not refused.closes else None
        # what follows an unread body is part of it; else the next request has its answer
        assert (answer is None) == refused.closes
        assert answer is None or answer.json()["mark"] == "behind"
        assert client.rest() == b""


@pytest.mark.parametrize(
    "path", ["/ping", "/livez", "/readyz", "/version", "/api/v1/status", "/", "/last_image", "/no"]
)
def test_an_answer_to_head_has_no_body(noting: Noting, path: str) -> None:
    with Connection(noting.server.port) as client:
        client.send(f"HEAD {path}".encode() + _HOST + b"\r\n" + frame_request("behind"))
        head = client.answer(to_head=True)
        assert head is not None
        assert head.status < 500
        behind = client.answer()
        assert behind is not None
        assert behind.json()["mark"] == "behind"


def test_a_client_that_expects_100_hears_it_and_then_its_answer(noting: Noting) -> None:
    request = frame_request("expected", b"abcd", "Expect: 100-continue")
    with Connection(noting.server.port) as client:
        client.send(request[:-4])
        assert client.sock.recv(25, socket.MSG_PEEK).startswith(b"HTTP/1.1 100")
        client.send(request[-4:])
        answer = client.answer()
        assert answer is not None
        assert answer.json()["mark"] == "expected"


def test_a_client_that_expects_100_hears_of_a_refusal(noting: Noting) -> None:
    request = b"POST /analyze_image" + _HOST + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"
    with Connection(noting.server.port) as client:
        client.send(request)
        answer = client.answer()
        assert answer is not None
        assert answer.status == 413


def _pairs(noting: Noting, pairs: int) -> None:
    dice = random.Random(pairs)
    with Connection(noting.server.port) as client:
        for number in range(pairs):
            marks = [f"pair-{number}-{half}" for half in ("a", "b")]
            sizes = [dice.choice([1, 4, 3000, 65_000]) for _ in marks]
            together = b"".join(
                frame_request(mark, dice.randbytes(size)) for mark, size in zip(marks, sizes, strict=True)
            )
            at = dice.choice([len(together), dice.randrange(len(together))])
            client.send(together[:at])
            client.send(together[at:])
            answers = [client.answer() for _ in marks]
            assert [answer and answer.json()["mark"] for answer in answers] == marks


def test_pipelined_pairs_are_answered_in_order(noting: Noting) -> None:
    _pairs(noting, 500)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_10_000_pipelined_pairs_are_answered_in_order(noting: Noting) -> None:
    _pairs(noting, 10_000)


def test_all_whole_requests_of_the_table_share_a_connection(noting: Noting) -> None:
    cases = [case for case in CASES if case.statuses == (200,) and not case.ends and b"HTTP/1.0" not in case.request]
    with Connection(noting.server.port) as client:
        for case in cases:
            client.send(case.request)
            answer = client.answer()
            assert answer is not None, case.name
            assert answer.status == 200, case.name
            if answer.closes:
                break
