"""Servers with TLS, and clients that say what they like to them."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.clients.raw_http import Connection
from tests.support.running import Server, serving

CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def write_pair(folder: Path, name: str = "server") -> tuple[Path, Path]:
    """Make a certificate that signs itself, for 127.0.0.1, and its key; returns where they are."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    names = ("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2")
    command = ["openssl", "req", "-x509", *CURVE, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return certificate, key


@dataclass(frozen=True, slots=True)
class TlsServer:
    """A running server, and where its certificate and key are."""

    server: Server
    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """A client's, that trusts this server."""
        return ssl.create_default_context(cafile=str(self.certificate))


@contextmanager
def tls_serving(project: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Iterator[TlsServer]:
    """Serve `project` with TLS until the end of the block."""
    certificate, key = write_pair(project.parent / "papers")
    papers = {"FRAMEMILL_CERTFILE": str(certificate), "FRAMEMILL_KEYFILE": str(key)}
    with serving(project, *arguments, env={**papers, **(env or {})}) as server:
        yield TlsServer(server, certificate, key)


class TlsConnection(Connection):
    """The same as bytes inside of TLS."""

    def __init__(self, port: int, context: ssl.SSLContext, *, source: str = "127.0.0.1") -> None:
        super().__init__(port, source=source)
        # whoever closes without a word may have cut the answer
        self.sock = context.wrap_socket(self.sock, server_hostname="127.0.0.1", suppress_ragged_eofs=False)

    def __enter__(self) -> Self:
        return self


class Handshake:
    """A client's TLS without a socket: what it would send comes out, and what the server says goes in."""

    def __init__(self, context: ssl.SSLContext, sock: socket.socket) -> None:
        self._sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname="127.0.0.1")

    def send_bytewise(self) -> None:
        """Send what there is to send, one byte a packet."""
        for byte in self._out.read():
            self._sock.sendall(bytes([byte]))

    def finish(self) -> None:
        """Shake hands, one byte a packet."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.send_bytewise()
                self._in.write(self._sock.recv(1 << 16))
            else:
                self.send_bytewise()
                return

    def read(self) -> bytes:
        """What the server says next."""
        while True:
            try:
                return self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self._in.write(self._sock.recv(1 << 16))
