"""HTTP as bytes on a socket: what no client library would send, and the answers one by one."""

from __future__ import annotations

import json
import re
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_LIMIT_S = 60
_BIND_ADDRESS_NO_PORT = 24  # linux/in.h


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; a head without a length ends with the connection."""

    status: int
    head: bytes
    body: bytes

    @property
    def closes(self) -> bool:
        """Whether the server announces that it closes the connection."""
        return b"\r\nconnection: close\r\n" in self.head.lower()

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Connection:
    """A client that sends what it is told and reads whole answers."""

    def __init__(self, port: int, *, receive_bytes: int = 0, source: str = "127.0.0.1") -> None:
        self.sock = socket.socket()
        # the port is chosen when connecting: then only the pair of both ends must be free
        self.sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        self.sock.bind((source, 0))
        if receive_bytes:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.sock.settimeout(_LIMIT_S)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send all; a server that has closed already is no error, its answer says why."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.sock.sendall(data)

    def answer(self, *, to_head: bool = False) -> Answer | None:
        """The next answer, past any 1xx; None at the end of the connection."""
        while b"\r\n\r\n" not in self._got:
            if not self._more():
                assert not self._got, self._got
                return None
        head, _, self._got = self._got.partition(b"\r\n\r\n")
        head += b"\r\n\r\n"
        status = int(head[9:12])
        if status < 200:
            return self.answer(to_head=to_head)
        return Answer(status, head, b"" if to_head else self._body(head))

    def rest(self) -> bytes:
        """Say that nothing more will be sent; returns all that still comes."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)
        while self._more():
            pass
        return self._got

    def reset(self) -> None:
        """End the connection with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _body(self, head: bytes) -> bytes:
        found = _LENGTH.search(head)
        while found is None or len(self._got) < int(found[1]):
            if not self._more():
                assert found is None, f"the answer breaks off: {head!r} {self._got!r}"
                break
        length = len(self._got) if found is None else int(found[1])
        body, self._got = self._got[:length], self._got[length:]
        return body

    def _more(self) -> bool:
        try:
            piece = self.sock.recv(1 << 16)
        except ConnectionResetError:
            return False
        self._got += piece
        return bool(piece)


def frame_request(data: str, pixels: bytes = b"abcd", *lines: str) -> bytes:
    """A raw grey frame of one row, with `data` to be given back."""
    extra = "".join(f"{line}\r\n" for line in lines)
    return (
        f"POST /analyze_raw_image?width={len(pixels)}&height=1&pixel_format=Mono8&data={data} HTTP/1.1\r\n"
        f"Host: line\r\n{extra}Content-Length: {len(pixels)}\r\n\r\n"
    ).encode() + pixels
