"""A frame has until its deadline, the server's or its own; one whose client has gone is not inspected."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

import pytest
from faults import FRAME, GIVE_UP_S, RAW, begin, faulty, until, whole
from faults import faulty_server as _faulty_server  # noqa: F401 - the fixture `server` of this file
from running import Server, serving


@pytest.mark.parametrize("data", ["spin", "wait:never"])
def test_a_request_may_have_a_deadline_of_its_own(server: Server, data: str) -> None:
    begun = time.monotonic()
    with server.client() as client:
        answer = client.post(
            f"{RAW}&deadline_ms=200",
            params={"data": data, "width": 16, "height": 16, "deadline_ms": 200},
            content=FRAME,
        )
    assert answer.status_code == 504
    assert answer.json()["code"] == "deadline_exceeded"
    assert 0.2 <= time.monotonic() - begun < 4  # the server's own is 5 s
    until(lambda: whole(server))


def test_a_deadline_that_is_no_number_is_refused(server: Server) -> None:
    with server.client() as client:
        for text in ("0", "-1", "1_0", "1.5", "abc", "\u0665", "", "12345678"):
            answer = client.post(RAW, params={"width": 16, "height": 16, "deadline_ms": text}, content=FRAME)
            assert answer.status_code == 400, text
            assert "deadline_ms" in answer.json()["detail"]


@pytest.mark.parametrize("how", ["reset", "end"])
def test_a_frame_whose_client_has_gone_is_not_inspected(tmp_path: Path, how: str) -> None:
    with serving(faulty(tmp_path / "p"), "--workers", "1") as server:
        thread, answers, gate = begin(server, "go")
        connection = socket.create_connection(("127.0.0.1", server.port), GIVE_UP_S)
        connection.sendall(
            f"POST {RAW}&data=wait:gone HTTP/1.1\r\nHost: a\r\nContent-Length: {len(FRAME)}\r\n\r\n".encode() + FRAME
        )
        until(lambda: server.status()["slots"]["free_here"] < server.status()["slots"]["per_front"])
        if how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        until(lambda: server.status()["frames"]["errors"] == 1)
        gate.touch()
        thread.join()
        assert answers[0].status_code == 200
        until(lambda: whole(server))
        # had it been inspected, its worker would still wait for the file `gone`
        assert not gate.with_name("gone.pids").exists()
        assert server.status()["workers"]["deaths"] == 0
