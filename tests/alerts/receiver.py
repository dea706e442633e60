"""A receiver of webhooks, over HTTP and real: it verifies what comes, and behaves as a test has it behave."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

KEY = "a key of the line's webhook"


class Receiver:
    """What came, as far as its signature was right; `answers` are statuses of the next ones, then it is 204."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.forged = 0
        self.cut_off = 0
        self.answers: list[int] = []
        self.paths: list[str] = []
        self.drips = threading.Event()
        self.let_go = threading.Event()
        self.url = ""
        self.close: Callable[[], None] = lambda: None

    def names(self) -> list[tuple[str, str]]:
        return [(one["type"], one["data"]["name"]) for one in self.received]

    def take(self, headers: Any, body: bytes) -> None:
        signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
        expected = base64.b64encode(hmac.new(KEY.encode(), signed, hashlib.sha256).digest()).decode()
        if headers["webhook-signature"] != f"v1,{expected}" or headers["Content-Type"] != "application/json":
            self.forged += 1
            return
        self.ids.append(headers["webhook-id"])
        self.received.append(json.loads(body))


@contextmanager
def receiving(port: int = 0, papers: tuple[Path, Path] | None = None) -> Iterator[Receiver]:
    """Receive until the end of the block; with `papers`, a certificate and its key, over TLS."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.paths.append(self.path)
            receiver.take(self.headers, body)
            while receiver.drips.is_set() and not receiver.let_go.wait(0.05):
                try:
                    self.wfile.write(b"H")
                except OSError:
                    return
            self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:  # who was sent to does not trust it
                receiver.cut_off += 1

        def log_message(self, *_: Any) -> None:
            """Not on the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    if papers is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*papers)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    receiver.url = f"http{'s' if papers else ''}://127.0.0.1:{server.server_address[1]}/hook?line=1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()

    def close() -> None:
        receiver.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join()

    receiver.close = close
    try:
        yield receiver
    finally:
        if thread.is_alive():
            close()
