"""Bytes that drip: what a front does for each is bounded by what it costs to send it, however much came before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.clients.front_costs import front_cpu_s
from tests.clients.raw_http import Connection, frame_request
from tests.support.running import Server

MOST_TIMES = 10  # what the front may take for each second that the attacker takes; it was far more than a hundred
SLACK_S = 0.1  # its clock has ticks, and it has other things to do

# argv: port, connections, bytes that each of them drips, the byte, how much of stdin is what each sends before that
DRIP = """
import os, socket, sys
port, count, drips = map(int, sys.argv[1:4])
drop, before = bytes.fromhex(sys.argv[4]), sys.stdin.buffer.read(int(sys.argv[5]))
conns = [socket.create_connection(("127.0.0.1", port), 60, ("127.0.0.2", 0)) for _ in range(count)]
for conn in conns:
    conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    conn.sendall(before)
print("there", flush=True)
sys.stdin.buffer.read(1)
begun = os.times()
for _ in range(drips):
    for conn in conns:
        conn.send(drop)
ended = os.times()
print(ended.user + ended.system - begun.user - begun.system, flush=True)
sys.stdin.buffer.read(1)
"""

_LONG = b"GET /ping HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X%d: %s\r\n" % (n, b"y" * 6000) for n in range(10)) + b"Z: "
_CHUNKED = b"POST /analyze_raw_image?width=64&height=64 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
_BODY = b"POST /analyze_image HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n" + bytes(1_000_000)


@pytest.mark.parametrize(
    ("before", "drop"),
    [
        (_LONG, b"y"),
        (_LONG, b"\r"),
        (_BODY, b"y"),
        (_CHUNKED + b"f4240\r\n" + bytes(900_000), b"y"),
        (_CHUNKED + b"1;" + b"x" * 20, b"x"),
        (_CHUNKED + b"1\r\nx\r\n0\r\n" + b"A: b\r\n" * 1000, b"A"),
    ],
    ids=["head", "head-lines", "body", "chunk", "chunk-size", "trailers"],
)
def test_a_byte_costs_the_front_little_more_than_its_sender(server: Server, before: bytes, drop: bytes) -> None:
    command = [sys.executable, "-c", DRIP, str(server.port), "20", "300", drop.hex(), str(len(before))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as attacker:
        assert attacker.stdin is not None
        assert attacker.stdout is not None
        attacker.stdin.write(before)
        attacker.stdin.flush()
        assert attacker.stdout.readline() == b"there\n"
        _is_answered(server)
        front_s = front_cpu_s(server)
        attacker.stdin.write(b"g")
        attacker.stdin.flush()
        attacker_s = float(attacker.stdout.readline())
        _is_answered(server)  # behind all that dripped before it
        front_s = front_cpu_s(server) - front_s
        attacker.stdin.close()
    assert front_s <= MOST_TIMES * attacker_s + SLACK_S, (front_s, attacker_s)


def _is_answered(server: Server) -> None:
    with Connection(server.port) as client:
        client.send(frame_request("good"))
        answer = client.answer()
        assert answer is not None
        assert answer.status == 200
