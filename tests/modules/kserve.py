"""A small server of models that speaks KServe v2 by its published protocol: how red, green and blue pictures are."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

HEADER = "Inference-Header-Content-Length"


class ModelServer(ThreadingHTTPServer):
    """Serves the model `colours`: 1x3xHxW float32 in, ten times the mean of each channel out."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.asked: list[dict[str, Any]] = []
        self.connections = 0
        self.open: list[socket.socket] = []
        self.binary = True
        self.refuses = ""
        self.says: bytes | None = None
        self.goes_on = threading.Event()
        self.goes_on.set()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ModelServer

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1
        self.server.open.append(self.request)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its own name
        pass

    def do_GET(self) -> None:
        if self.path != "/v2/models/colours":
            self._answer(404, json.dumps({"error": f"unknown model: {self.path}"}).encode())
            return
        tensors = ("images", [-1, 3, 8, 8]), ("logits", [-1, 3])
        inputs, outputs = ([{"name": name, "datatype": "FP32", "shape": shape}] for name, shape in tensors)
        self._answer(200, json.dumps({"name": "colours", "inputs": inputs, "outputs": outputs}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        end = int(self.headers.get(HEADER, len(body)))
        told = json.loads(body[:end])
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append({"path": self.path, "headers": headers, **told})
        self.server.goes_on.wait(30)
        if self.server.refuses:
            self._answer(500, json.dumps({"error": self.server.refuses}).encode())
            return
        (given,) = told["inputs"]
        assert given["datatype"] == "FP32"
        if "data" in given:
            images = np.array(given["data"], np.float32).reshape(given["shape"])
        else:
            assert len(body) - end == given["parameters"]["binary_data_size"]
            images = np.frombuffer(body[end:], np.float32).reshape(given["shape"])
        self._infer(10 * images.mean(axis=(2, 3)))

    def _infer(self, logits: np.ndarray[Any, np.dtype[np.float32]]) -> None:
        output: dict[str, Any] = {"name": "logits", "datatype": "FP32", "shape": list(logits.shape)}
        content = logits.astype(np.float32).tobytes()
        if not self.server.binary:
            output |= {"data": logits.ravel().tolist(), "parameters": None}
            content = b""
            self._answer(200, json.dumps({"outputs": [output]}).encode())
            return
        output["parameters"] = {"binary_data_size": len(content)}
        head = json.dumps({"outputs": [output]}).encode()
        self._answer(200, head + content, {HEADER: str(len(head))})

    def _answer(self, status: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        if self.server.says is not None:
            content = self.server.says
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def models_served(port: int = 0) -> Iterator[ModelServer]:
    """Serve until the end of the block; then its connections are closed, too."""
    server = ModelServer(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.goes_on.set()
        server.shutdown()
        thread.join()
        for connection in server.open:  # as the end of its process would
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        server.server_close()
