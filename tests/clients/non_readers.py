"""Clients whose kernel takes little, so that what they do not read stays with the server; over TLS too."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.raw_http import Connection
from tests.support.faults import until
from tests.support.running import Server


def certificate(folder: Path) -> dict[str, str]:
    """Make a certificate; returns the settings that use it."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=ours", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", f"{folder}/ours.key", "-out", f"{folder}/ours.pem"],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return {"FRAMEMILL_CERTFILE": f"{folder}/ours.pem", "FRAMEMILL_KEYFILE": f"{folder}/ours.key"}


class _Narrow(Connection):
    """A connection with small buffers."""

    def __init__(self, port: int, context: ssl.SSLContext | None, receive_bytes: int, segment_bytes: int) -> None:
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment_bytes)
        plain.settimeout(60)
        plain.connect(("127.0.0.1", port))
        self.sock = plain if context is None else context.wrap_socket(plain, server_hostname="127.0.0.1")
        self._got = b""


@dataclass(frozen=True, slots=True)
class Way:
    """A server with one front, and how it is reached: with TLS where there is a `context`."""

    server: Server
    context: ssl.SSLContext | None = None

    def connect(self, receive_bytes: int = 2048, segment_bytes: int = 536) -> Connection:
        """A client that takes little by itself; for segments as on far networks the server's kernel buffers little."""
        return _Narrow(self.server.port, self.context, receive_bytes, segment_bytes)

    def status(self) -> dict[str, Any]:
        """What /api/v1/status says."""
        port = self.server.port
        line = (
            http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            if self.context is None
            else http.client.HTTPSConnection("127.0.0.1", port, timeout=60, context=self.context)
        )
        try:
            line.request("GET", "/api/v1/status")
            found: dict[str, Any] = json.loads(line.getresponse().read())
            return found
        finally:
            line.close()

    def await_held(self) -> None:
        """Wait until the server holds something for a client that does not take it."""
        until(lambda: self.status()["connections"]["unread_bytes_here"] > 0)

    def await_nothing(self) -> None:
        """Wait until the server holds nothing for anybody, and all slots are free."""

        def nothing() -> bool:
            status = self.status()
            slots = status["slots"]
            return not status["connections"]["unread_bytes_here"] and bool(slots["free_here"] >= slots["per_front"])

        until(nothing)

    def cut_off(self) -> int:
        """How many connections were cut off."""
        return int(self.status()["connections"]["cut_off"])
