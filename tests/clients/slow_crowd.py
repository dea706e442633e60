"""A crowd of one address (127.0.0.2) that begins things and never ends them; a process of its own::

    python slow_crowd.py PORT SECONDS plain|CERTIFICATE KIND COUNT [KIND COUNT ...]

Whoever is sent away comes again. Prints the processor time that it took, and how often it came.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import sys
import time
from contextlib import suppress

RAW = b"/analyze_raw_image?width=3000&height=2500&pixel_format=Mono8"
_LONG = b"".join(b"X%d: %s\r\n" % (number, b"y" * 6000) for number in range(10))
_LENGTH = b"Content-Length: %d\r\n\r\n"
_MUCH = 24 << 20


def _post(path: bytes, rest: bytes) -> bytes:
    return b"POST " + path + b" HTTP/1.1\r\nHost: a\r\n" + rest


# what each kind says, and what it adds now and then
KINDS = {
    "silence": (b"", b""),
    "hello": (b"\x16", b""),  # before TLS
    "head": (_post(RAW, _LONG) + b"Z: ", b"y"),
    "body": (_post(RAW, _LENGTH % 7_500_000) + b"x", b"x"),
    "chunk": (_post(RAW, b"Transfer-Encoding: chunked\r\n\r\n") + b"1\r\nx\r\n", b"1\r\nx\r\n"),
    "form": (
        _post(b"/analyze_image", b"Content-Type: multipart/form-data; boundary=b\r\n" + _LENGTH % 5_000_000) + b"--b",
        b"x",
    ),
    "switch": (b"PUT /api/v1/process HTTP/1.1\r\nHost: a\r\n" + _LENGTH % 17, b""),
    "much": (_post(b"/analyze_image", _LENGTH % _MUCH) + bytes(_MUCH - 100_000), b""),
}


class _Member:
    def __init__(self, port: int, context: ssl.SSLContext | None, kind: str) -> None:
        self._port, self._context, self.kind = port, context, kind
        self.sock = socket.socket()
        self.came = 0

    def come(self) -> None:
        """Connect anew and say what this kind says, as far as it can be said at once."""
        self.sock.close()
        self.came += 1
        self.sock = socket.socket()
        with suppress(OSError):
            self.sock.bind(("127.0.0.2", 0))
            self.sock.settimeout(10)
            self.sock.connect(("127.0.0.1", self._port))
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None and self.kind not in {"silence", "hello"}:
                self.sock = self._context.wrap_socket(self.sock)
            self.sock.sendall(KINDS[self.kind][0])
        self.sock.setblocking(False)

    def stays(self) -> bool:
        """Whether the server still has us; what it says is not looked at."""
        try:
            return bool(self.sock.recv(1 << 16))
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False

    def drip(self) -> None:
        """Say a little more."""
        with suppress(OSError):
            self.sock.send(KINDS[self.kind][1])


def main() -> None:
    """Be such a crowd."""
    port, end_s = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
    context = None
    if sys.argv[3] != "plain":
        context = ssl.create_default_context(cafile=sys.argv[3])
        context.check_hostname = False
    kinds = [kind for kind, count in zip(sys.argv[4::2], sys.argv[5::2], strict=True) for _ in range(int(count))]
    crowd = [_Member(port, context, kind) for kind in kinds]
    for member in crowd:
        member.come()
    print("there", flush=True)
    while time.monotonic() < end_s:
        gone = select.poll()
        by_fd = {member.sock.fileno(): member for member in crowd}
        for fd in by_fd:
            gone.register(fd, select.POLLIN | select.POLLRDHUP)
        for fd, _ in gone.poll(100):
            if not by_fd[fd].stays():
                by_fd[fd].come()
        for member in crowd:
            member.drip()
    spent = os.times()
    print(spent.user + spent.system, sum(member.came for member in crowd), flush=True)


if __name__ == "__main__":
    main()
