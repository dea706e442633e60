"""Requests made to cost much more than they should: refused early, and nothing of them stays."""

from __future__ import annotations

import pytest

from tests.clients.front_costs import front_bytes, front_cpu_s
from tests.clients.raw_http import Connection, frame_request
from tests.support.running import Server

_CHUNKED = b"POST /analyze_raw_image?width=4&height=1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
_PLAIN = b"GET /ping HTTP/1.1\r\nHost: a\r\n"
_FORM = b"Content-Type: multipart/form-data; boundary=b\r\n"
_PART = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n'
COSTLY = {
    "a million chunks": (_CHUNKED + b"1\r\nx\r\n" * 1_000_000 + b"0\r\n\r\n", 400, "body_invalid"),
    "chunks of 64 bytes": (_CHUNKED + (b"40\r\n" + b"x" * 64 + b"\r\n") * 80_000, 400, "body_invalid"),
    "extensions": (_CHUNKED + (b"1;" + b"e" * 200 + b"\r\nx\r\n") * 5000, 400, "body_invalid"),
    "trailers": (_CHUNKED + b"1\r\nx\r\n0\r\n" + b"A: b\r\n" * 100_000, 400, "body_invalid"),
    "a size line": (_CHUNKED + b"0" * 1_000_000, 400, "body_invalid"),
    "header names": (_PLAIN + b"".join(b"X%d: y\r\n" % number for number in range(5000)) + b"\r\n", 431, None),
    "a header": (_PLAIN + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n", 431, None),
    "parameters": (frame_request("&".join(f"a{number}=" for number in range(1300))), 200, None),
    "ranges": (_PLAIN + b"Range: bytes=" + b"0-," * 2500 + b"\r\n\r\n", 200, None),
    "parts of a form": (
        b"POST /analyze_image HTTP/1.1\r\nHost: a\r\n%sContent-Length: %d\r\n\r\n%s--b--\r\n"
        % (_FORM, 20_000 * len(_PART) + 7, _PART * 20_000),
        400,
        "body_invalid",
    ),
}


def _send(server: Server, request: bytes) -> tuple[int, bytes]:
    with Connection(server.port) as client:
        client.send(request)
        answer = client.answer()
        assert answer is not None
        return answer.status, answer.body


@pytest.mark.parametrize("name", COSTLY)
def test_a_costly_request_is_refused_or_done(server: Server, name: str) -> None:
    request, status, code = COSTLY[name]
    found, body = _send(server, request)
    assert found == status
    assert code is None or f'"code":"{code}"'.encode() in body
    assert _send(server, frame_request("after"))[0] == 200


@pytest.mark.soak
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", COSTLY)
def test_a_hundred_costly_requests_leave_no_memory_and_take_little_time(server: Server, name: str) -> None:
    request, *_ = COSTLY[name]
    held = []
    for _ in range(6):
        cpu_s = front_cpu_s(server)
        for _ in range(100):
            _send(server, request)
        used_s = (front_cpu_s(server) - cpu_s) / 100
        held.append(front_bytes(server))
    # the allocator keeps some of what it once had: what comes first may grow, what comes later may not
    assert held[-1] - max(held[:3]) <= 1 << 20, held
    assert used_s <= max(0.1, len(request) / 20e6), used_s
