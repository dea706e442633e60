"""The cameras of a load: what they say about a server that does not treat all of them alike."""

from __future__ import annotations

import socket
import threading

import pytest

from service.trial.load import Plan, Shot, run_cameras

CAMERAS = 4
SHOT = Shot("/analyze_raw_image", body=[b"frame"], expects=b"mine")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"


def answer(connection: socket.socket) -> None:
    with connection:
        while connection.recv(4096).endswith(b"frame"):
            connection.sendall(ANSWER)


def answer_first(listener: socket.socket, fed: int) -> None:
    """Answer the first `fed` cameras at once, and the others when those have gone."""
    connections = [listener.accept()[0] for _ in range(CAMERAS)]
    for some in (connections[:fed], connections[fed:]):
        threads = [threading.Thread(target=answer, args=(connection,)) for connection in some]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("fed", [CAMERAS, CAMERAS - 1, 2])
def test_cameras_that_are_left_without_an_answer_are_counted(fed: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer_first, args=(listener, fed))
        server.start()
        load = run_cameras(Plan(listener.getsockname()[1], CAMERAS, seconds=0.5), [SHOT])
        server.join()
    assert not load.errors, load.first_error
    assert load.starved == CAMERAS - fed
