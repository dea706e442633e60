"""Cameras for a load: they post frames over kept connections, check each answer, and measure.

They run in a process of their own (load_process.py), so that their work does not count as the server's.

Without a takt the loop is closed: a camera posts its next frame as soon as it has an answer. With one it is open: frame
k is due at k takts, whatever became of the one before, and its time counts from when it was due. A server that falls
behind cannot hide that by slowing its cameras down (Tene, "How NOT to Measure Latency", 2013).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from workers.isolated import isolated


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
    """How the cameras send: `takt_ms` 0 is as fast as answers come; `late_ms` 0 lists no late frames.

    For the first `warm_s` seconds frames are sent on the same connections that are measured later, but not counted:
    a connection's first frames find TCP's windows and the server's caches as small as they start.
    """

    port: int
    cameras: int
    seconds: float
    takt_ms: float = 0.0
    late_ms: float = 0.0
    warm_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Load:
    """What the cameras saw; times in milliseconds, from when a frame was due to the last byte of its answer.

    `warm_frames` came before and are in none of the figures, but their mistakes are. `late` holds (when it was due, by
    CLOCK_MONOTONIC in seconds; its time) of frames that took longer than `late_ms`.
    `errors` are answers that were not the frame's own or not there; among them `refused`, those with status 429, and
    `wrong`, those with status 200 that were another frame's. `starved` cameras had fewer than a quarter of the frames
    of an even share: a server that leaves some unanswered is faster for the others. `cpu_s` is user and system time of
    the cameras themselves, for all their frames.
    """

    frames: int
    warm_frames: int
    errors: int
    refused: int
    wrong: int
    starved: int
    cpu_s: float
    first_error: str
    seconds: float
    p50_ms: float
    p99_ms: float
    p999_ms: float
    longest_ms: float
    late: list[tuple[float, float]] = field(default_factory=list)

    @property
    def all_frames(self) -> int:
        """What the server had to do."""
        return self.frames + self.warm_frames

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
    command = isolated("-m", "service.trial.load_process")
    blob = b"".join([line, *(bytes(piece) for _, piece in pieces.values())])
    done = subprocess.run(command, input=blob, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the cameras failed: {done.stderr.decode(errors='replace')}")
    return Load(**json.loads(done.stdout))
