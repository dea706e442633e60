"""A closed-loop sender: each connection posts its next frame as soon as it has the answer to the last.

Run as a process of its own (`python -m bench.load PORT PATH BYTES CONNECTIONS SECONDS`), so that its own work does not
count as the server's; prints one line of JSON. Where `wrk` is installed its rates are a few per cent higher.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of the sender measured; times in milliseconds."""

    frames: int
    errors: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds


def run_load(port: int, path: str, body_bytes: int, connections: int, seconds: float) -> Load:
    """Run the sender in a process of its own."""
    arguments = [str(port), path, str(body_bytes), str(connections), str(seconds)]
    done = subprocess.run([sys.executable, "-m", "bench.load", *arguments], capture_output=True, text=True, check=True)
    return Load(**json.loads(done.stdout))


def _camera(port: int, request: bytes, end: float, times: list[float], errors: list[str]) -> None:
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < end:
            begun = time.monotonic()
            connection.sendall(request)
            answer = connection.recv(65536)
            while b"\r\n\r\n" not in answer:
                answer += connection.recv(65536)
            head, _, rest = answer.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            left = length - len(rest)
            while left > 0:
                left -= len(connection.recv(min(left, 1 << 20)))
            times.append(time.monotonic() - begun)
            if not head.startswith(b"HTTP/1.1 200"):
                errors.append(head.partition(b"\r\n")[0].decode())


def main() -> None:
    """Send until the time is up and print what was measured."""
    port, path, body_bytes, connections, seconds = sys.argv[1:]
    head = f"POST {path} HTTP/1.1\r\nHost: camera\r\nContent-Type: application/octet-stream\r\n"
    request = f"{head}Content-Length: {body_bytes}\r\n\r\n".encode() + b"\x37" * int(body_bytes)
    times: list[float] = []
    errors: list[str] = []
    begun = time.monotonic()
    end = begun + float(seconds)
    cameras = [
        threading.Thread(target=_camera, args=(int(port), request, end, times, errors)) for _ in range(int(connections))
    ]
    for camera in cameras:
        camera.start()
    for camera in cameras:
        camera.join()
    spent_s = time.monotonic() - begun
    times.sort()
    print(
        json.dumps(
            {
                "frames": len(times),
                "errors": len(errors),
                "seconds": spent_s,
                "p50_ms": 1e3 * times[len(times) // 2],
                "p99_ms": 1e3 * times[int(len(times) * 0.99)],
            }
        )
    )


if __name__ == "__main__":
    main()
