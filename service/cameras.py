"""Cameras for a load: they post frames over kept connections, check each answer, and measure.

They run in a process of their own, so that their work does not count as the server's::

    python -m service.cameras <plan >result

A plan is one line of JSON (`Plan`, and the deck's table), then the bytes of all bodies. The result is one line of JSON.

Without a takt the loop is closed: a camera posts its next frame as soon as it has an answer. With one it is open: frame
k is due at k takts, whatever became of the one before, and its time counts from when it was due. A server that falls
behind cannot hide that by slowing its cameras down (Tene, "How NOT to Measure Latency", 2013).
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

_ANSWER_S = 60
_CONNECT_S = 0.2
_RECONNECT_S = 0.05
_TEXT_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Shot:
    """A frame as it is sent: `body` may be in pieces, `expects` is what only the right answer contains."""

    path: str
    body: Sequence[bytes | memoryview] = ()
    expects: bytes = b""
    headers: tuple[str, ...] = ("Content-Type: application/octet-stream",)

    @property
    def body_bytes(self) -> int:
        """The declared length."""
        return sum(len(piece) for piece in self.body)

    def head(self) -> bytes:
        """The request's first lines."""
        lines = (f"POST {self.path} HTTP/1.1", "Host: camera", *self.headers, f"Content-Length: {self.body_bytes}")
        return "\r\n".join((*lines, "", "")).encode("latin-1")


@dataclass(frozen=True, slots=True)
class Plan:
    """How the cameras send: `takt_ms` 0 is as fast as answers come; `late_ms` 0 lists no late frames."""

    port: int
    cameras: int
    seconds: float
    takt_ms: float = 0.0
    late_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the cameras saw; times in milliseconds, from when a frame was due to the last byte of its answer.

    `late` holds (when it was due, by CLOCK_MONOTONIC in seconds; its time) of frames that took longer than `late_ms`.
    `errors` are answers that were not the frame's own or not there; `refused`, among them, those with status 429.
    """

    frames: int
    errors: int
    refused: int
    first_error: str
    seconds: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    longest_ms: float
    late: list[tuple[float, float]] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        """Right answers per second."""
        return (self.frames - self.errors) / self.seconds


def run_cameras(plan: Plan, shots: Sequence[Shot]) -> Load:
    """Run `plan` in a process of its own; camera n starts with shot n and goes round.

    Raises:
        RuntimeError: the cameras could not run, with what they said.
    """
    pieces: dict[int, tuple[int, bytes | memoryview]] = {}  # one that several shots share is passed once
    end = 0
    for piece in (piece for shot in shots for piece in shot.body):
        if id(piece) not in pieces:
            pieces[id(piece)] = (end, piece)
            end += len(piece)
    table = [
        {
            "head": shot.head().decode("latin-1"),
            "expects": shot.expects.decode("latin-1"),
            "body": [(pieces[id(piece)][0], len(piece)) for piece in shot.body],
        }
        for shot in shots
    ]
    line = json.dumps({"plan": asdict(plan), "shots": table}).encode() + b"\n"
    command = [sys.executable, "-m", "service.cameras"]
    blob = b"".join([line, *(bytes(piece) for _, piece in pieces.values())])
    done = subprocess.run(command, input=blob, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the cameras failed: {done.stderr.decode(errors='replace')}")
    return Load(**json.loads(done.stdout))


@dataclass(frozen=True, slots=True)
class _Ready:
    """A shot as bytes to send."""

    pieces: list[bytes | memoryview]
    expects: bytes


class _Closing(Exception):
    """The server says that it closes the connection after this answer."""


@dataclass(slots=True)
class _Seen:
    """What one camera saw: (due, took) in seconds for every answer, and its mistakes."""

    times: list[tuple[float, float]] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)


class _Camera:
    """One kept connection."""

    def __init__(self, plan: Plan, shots: Sequence[_Ready], number: int, begin_s: float) -> None:
        self._plan = plan
        self._shots = shots
        self._number = number
        self._begin_s = begin_s
        self._end_s = begin_s + plan.seconds
        self._sent = 0
        self.seen = _Seen()

    def run(self) -> None:
        """Send until the time is up; a connection that breaks is a mistake, and opened again."""
        while time.monotonic() < self._end_s:
            try:
                with socket.create_connection(("127.0.0.1", self._plan.port), _ANSWER_S) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connection.settimeout(None)
                    self._stream(connection)
                    return
            except _Closing:
                continue
            except OSError as error:
                self.seen.mistakes.append(f"connection: {error}")
                self.seen.times.append((time.monotonic(), 0.0))
                time.sleep(_RECONNECT_S)

    def _stream(self, connection: socket.socket) -> None:
        while (due_s := self._due()) < self._end_s:
            shot = self._shots[(self._number + self._sent) % len(self._shots)]
            self._sent += 1
            self._one(connection, shot, due_s)

    def _due(self) -> float:
        """Wait for the next frame's time and return it."""
        now_s = time.monotonic()
        if not self._plan.takt_ms:
            return now_s
        # the cameras of a line are not triggered together: they share the takt evenly
        due_s = self._begin_s + (self._sent + self._number / self._plan.cameras) * self._plan.takt_ms / 1e3
        if now_s < due_s < self._end_s:
            time.sleep(due_s - now_s)
        return due_s

    def _one(self, connection: socket.socket, shot: _Ready, due_s: float) -> None:
        total = sum(map(len, shot.pieces))
        if connection.sendmsg(shot.pieces) != total:
            raise ConnectionError("a frame was sent in part only")
        answer, head_end = _receive(connection)
        self.seen.times.append((due_s, time.monotonic() - due_s))
        if not answer.startswith(b"HTTP/1.1 200"):
            status = answer[9:head_end].split(b"\r\n")[0]
            said = status + b": " + answer[head_end : head_end + 300]
            self.seen.mistakes.append(said.decode("utf-8", "replace"))
        elif shot.expects not in answer:
            self.seen.mistakes.append(f"not this frame's answer: {shot.expects!r} is not in it")
        if b"connection: close" in answer[:head_end].lower():
            raise _Closing


def _receive(connection: socket.socket) -> tuple[bytes, int]:
    """Return an answer's head with as much of its body as may hold text, and where the body starts."""
    answer = b""
    while (end := answer.find(b"\r\n\r\n") + 4) < 4:
        more = connection.recv(_TEXT_BYTES)
        if not more:
            raise ConnectionError("closed before an answer came")
        answer += more
    # names of headers in any case: servers differ
    length = int(answer[:end].lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or b"0")
    left = length - (len(answer) - end)
    while left > 0:
        more = connection.recv(min(left, 1 << 20))
        if not more:
            raise ConnectionError("closed within an answer")
        left -= len(more)
        if len(answer) < _TEXT_BYTES:
            answer += more
    return answer, end


def _run(plan: Plan, shots: Sequence[_Ready]) -> Load:
    # a line's cameras are connected before its first part comes
    begin_s = time.monotonic() + (_CONNECT_S if plan.takt_ms else 0)
    cameras = [_Camera(plan, shots, number, begin_s) for number in range(plan.cameras)]
    threads = [threading.Thread(target=camera.run) for camera in cameras]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begin_s
    times = [entry for camera in cameras for entry in camera.seen.times]
    took_ms = sorted(1e3 * took_s for _, took_s in times) or [0.0]
    mistakes = [mistake for camera in cameras for mistake in camera.seen.mistakes]
    return Load(
        frames=len(times),
        errors=len(mistakes),
        refused=sum(1 for mistake in mistakes if mistake.startswith("429")),
        first_error=mistakes[0] if mistakes else "",
        seconds=seconds,
        p50_ms=_quantile(took_ms, 0.5),
        p99_ms=_quantile(took_ms, 0.99),
        p999_ms=_quantile(took_ms, 0.999),
        longest_ms=took_ms[-1],
        late=[(due, 1e3 * took) for due, took in times if 0 < plan.late_ms < 1e3 * took],
    )


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> None:
    """Read a plan, carry it out, print the result."""
    asked = json.loads(sys.stdin.buffer.readline())
    blob = memoryview(sys.stdin.buffer.read())
    shots = [
        _Ready(
            [shot["head"].encode("latin-1"), *(blob[at : at + length] for at, length in shot["body"])],
            shot["expects"].encode("latin-1"),
        )
        for shot in asked["shots"]
    ]
    print(json.dumps(asdict(_run(Plan(**asked["plan"]), shots))))


if __name__ == "__main__":
    main()
