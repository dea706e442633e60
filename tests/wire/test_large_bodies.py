"""Large bodies that arrive at the same time: each is whole, and who comes second may not run far ahead."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import service.wire.plain_body
from service.wire.plain_body import PlainBody, receive_in_steps
from workers.pool.exchange import receive_into

LENGTH = 5 << 20
NARROW_BYTES = 512 << 10


class Noted(socket.socket):
    """A socket that notes the windows asked for: what the kernel says of them follows its own tuning."""

    def __init__(self, fd: int) -> None:
        super().__init__(fileno=fd)
        self.windows_bytes: list[int] = []

    def setsockopt(self, level: int, option: int, value: object, *rest: int) -> None:
        """Set it."""
        if (level, option) == (socket.IPPROTO_TCP, socket.TCP_WINDOW_CLAMP):
            assert isinstance(value, int)
            self.windows_bytes.append(value)
        super().setsockopt(level, option, value, *rest)  # type: ignore[call-overload]


@contextmanager
def connected() -> Iterator[tuple[socket.socket, Noted]]:
    """A camera's end and ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as camera:
        accepted, _ = listener.accept()
        with Noted(accepted.detach()) as ours:
            receive_in_steps(ours)
            yield camera, ours


def sent_and_received(camera: socket.socket, ours: socket.socket, body: bytes) -> bytes:
    area = bytearray(len(body))
    sender = threading.Thread(target=camera.sendall, args=(body,))
    sender.start()
    rest = PlainBody(ours, b"", memoryview(b""), len(body)).begin(memoryview(area))
    assert rest is not None
    rest.receive(partial(receive_into, memoryview(area)))
    sender.join()
    return bytes(area)


def test_a_window_is_narrow_in_company_and_open_again_when_alone() -> None:
    body = bytes(range(256)) * (LENGTH // 256)
    other = object()
    with connected() as (camera, ours):
        for company, narrow in ((False, False), (True, True), (False, False)):
            if company:
                service.wire.plain_body._large_bodies.add(other)
            try:
                assert sent_and_received(camera, ours, body) == body
            finally:
                service.wire.plain_body._large_bodies.discard(other)
            assert (ours.windows_bytes[-1] <= NARROW_BYTES) is narrow
        assert not service.wire.plain_body._large_bodies


def test_large_bodies_of_four_cameras_at_once_are_whole() -> None:
    bodies = [bytes([number]) * LENGTH for number in range(4)]
    found: dict[int, bytes] = {}

    def run(number: int) -> None:
        with connected() as (camera, ours):
            for _ in range(20):
                found[number] = sent_and_received(camera, ours, bodies[number])
                assert found[number] == bodies[number]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict(enumerate(bodies))
    assert not service.wire.plain_body._large_bodies
