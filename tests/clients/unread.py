"""Clients that ask and never read, in a process of their own.

Run as `python unread.py PORT COUNT < REQUEST`: each of COUNT connections, all from 127.0.0.2, sends the request again
and again, as much as is taken, and comes back when it was cut off. "ready" says that all of them have begun.
"""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_RECEIVE_BYTES = 2048
_AT_ONCE = 64
_TURN_S = 0.1


def _connect(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
    sock.bind(("127.0.0.2", 0))
    sock.settimeout(30)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return sock


def _ask(port: int, count: int, request: bytes) -> None:
    poll = selectors.DefaultSelector()
    said_ready = False
    while True:
        with suppress(OSError):
            while len(poll.get_map()) < count:
                poll.register(_connect(port), selectors.EVENT_WRITE)
        for key, _ in poll.select(_TURN_S):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            try:
                sock.send(request * _AT_ONCE)
            except BlockingIOError:
                continue
            except OSError:
                poll.unregister(sock)
                sock.close()
        if not said_ready and len(poll.get_map()) == count:
            said_ready = True
            print("ready", flush=True)


@contextmanager
def never_reading(port: int, count: int, request: bytes) -> Iterator[None]:
    """So many such clients until the end of the block."""
    command = [sys.executable, __file__, str(port), str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(request)
            process.stdin.close()
            assert process.stdout.readline() == b"ready\n"
            yield
        finally:
            process.kill()


if __name__ == "__main__":
    _ask(int(sys.argv[1]), int(sys.argv[2]), sys.stdin.buffer.read())
