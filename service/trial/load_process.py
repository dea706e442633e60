"""The process that load.py starts: it carries a plan out and prints what the cameras saw::

    python -I -m service.trial.load_process <plan >result

A plan is one line of JSON (`Plan`, and the table of shots), then the bytes of all bodies. The result is one line of
JSON. A few threads run all cameras: with one for each, 64 cameras on two cores had p99 times of 200 ms, of which the
server had 70; the rest was the machine's scheduler among the camera threads. Where they may, they run at real-time
priority: a line's cameras are not on the server's machine, and do not wait for a core behind its threads. Without it
answers lay there for up to 170 ms before their cameras were given time to look.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

from service.head_end import HEAD_END
from service.trial.load import Load, Plan

_ANSWER_S = 60
_CONNECT_S = 0.2
_RECONNECT_S = 0.05
_TEXT_BYTES = 65_536
_PRECISE_S = 1.0
_EVEN_FRAMES = 8  # of an even share: with fewer, chance alone leaves a camera behind
_WRONG = "not this frame's answer"


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


# what a camera does between two waits; each wait names the time (CLOCK_MONOTONIC, s) that it lasts at most
_Steps = Generator[float, None, None]


class _Camera:
    """One kept connection."""

    def __init__(self, plan: Plan, shots: Sequence[_Ready], number: int, begin_s: float) -> None:
        self._plan = plan
        self._shots = shots
        self._number = number
        self._begin_s = begin_s
        self._end_s = begin_s + plan.warm_s + plan.seconds
        self._sent = 0
        self.seen = _Seen()

    def run(self, attach: Callable[[socket.socket], None]) -> _Steps:
        """Send until the time is up; a connection that breaks is a mistake, and opened again."""
        while time.monotonic() < self._end_s:
            try:
                with socket.create_connection(("127.0.0.1", self._plan.port), _ANSWER_S) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    connection.setblocking(False)
                    attach(connection)
                    yield from self._stream(connection)
                    return
            except _Closing:
                continue
            except OSError as error:
                self.seen.mistakes.append(f"connection: {error}")
                self.seen.times.append((time.monotonic(), 0.0))
                yield from _sleep_until(time.monotonic() + _RECONNECT_S)

    def _stream(self, connection: socket.socket) -> _Steps:
        while (due_s := self._due()) < self._end_s:
            yield from _sleep_until(due_s)
            shot = self._shots[(self._number + self._sent) % len(self._shots)]
            self._sent += 1
            yield from self._one(connection, shot, due_s)

    def _due(self) -> float:
        if not self._plan.takt_ms:
            return time.monotonic()
        # the cameras of a line are not triggered together: they share the takt evenly
        return self._begin_s + (self._sent + self._number / self._plan.cameras) * self._plan.takt_ms / 1e3

    def _one(self, connection: socket.socket, shot: _Ready, due_s: float) -> _Steps:
        give_up_s = time.monotonic() + _ANSWER_S
        yield from _send(connection, shot.pieces, give_up_s)
        reader = _Answer(connection, give_up_s)
        yield from reader.receive()
        answer, head_end = reader.text, reader.head_end
        self.seen.times.append((due_s, time.monotonic() - due_s))
        if not answer.startswith(b"HTTP/1.1 200"):
            status = answer[9:head_end].split(b"\r\n")[0]
            said = status + b": " + answer[head_end : head_end + 300]
            self.seen.mistakes.append(said.decode("utf-8", "replace"))
        elif shot.expects not in answer:
            self.seen.mistakes.append(f"{_WRONG}: {shot.expects!r} is not in it")
        if b"connection: close" in answer[:head_end].lower():
            raise _Closing


def _sleep_until(due_s: float) -> _Steps:
    while time.monotonic() < due_s:
        yield due_s


def _give_way(give_up_s: float) -> _Steps:
    if time.monotonic() >= give_up_s:
        raise TimeoutError(f"no answer came within {_ANSWER_S} s")
    yield give_up_s


def _send(connection: socket.socket, pieces: Sequence[bytes | memoryview], give_up_s: float) -> _Steps:
    left = [memoryview(piece) for piece in pieces]
    while left:
        try:
            sent = connection.sendmsg(left)
        except BlockingIOError:
            yield from _give_way(give_up_s)
            continue
        while left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if sent:
            left[0] = left[0][sent:]


class _Answer:
    """An answer's head with as much of its body as may hold text, and where the body starts."""

    def __init__(self, connection: socket.socket, give_up_s: float) -> None:
        self._connection = connection
        self._give_up_s = give_up_s
        self.text = b""
        self.head_end = 0

    def receive(self) -> _Steps:
        """Receive all of it."""
        length = received = 0
        while not self.head_end or received < self.head_end + length:
            try:
                more = self._connection.recv(1 << 20)
            except BlockingIOError:
                yield from _give_way(self._give_up_s)
                continue
            if not more:
                raise ConnectionError("closed before the answer was there")
            received += len(more)
            if len(self.text) < _TEXT_BYTES:
                self.text += more
            if not self.head_end and (end := self.text.find(HEAD_END)) >= 0:
                self.head_end = end + len(HEAD_END)
                length = self._declared_length()

    def _declared_length(self) -> int:
        # names of headers in any case: servers differ
        value = self.text[: self.head_end].lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        return int(value or b"0")


class _Loop:
    """Runs cameras in one thread; dozens of threads would make the machine's scheduler part of what is measured."""

    def __init__(self, cameras: Sequence[_Camera]) -> None:
        self._events = select.epoll()
        self._steps = {camera: camera.run(partial(self._attach, camera)) for camera in cameras}
        self._until_s = dict.fromkeys(cameras, 0.0)
        self._camera_at: dict[int, _Camera] = {}

    def _attach(self, camera: _Camera, connection: socket.socket) -> None:
        """Let `camera` go on whenever its connection has something new."""
        self._camera_at[connection.fileno()] = camera
        self._events.register(connection, select.EPOLLIN | select.EPOLLOUT | select.EPOLLET)

    def run(self) -> None:
        """Return when all cameras are done."""
        with self._events:
            while self._until_s:
                for camera in self._awake():
                    try:
                        self._until_s[camera] = next(self._steps[camera])
                    except StopIteration:
                        del self._until_s[camera]

    def _awake(self) -> dict[_Camera, None]:
        """Wait until some have something to do; returns them, those first that have waited longest."""
        left_s = max(0.0, min(self._until_s.values()) - time.monotonic())
        if left_s < _PRECISE_S:  # epoll alone counts in whole milliseconds
            select.select([self._events], (), (), left_s)
            left_s = 0.0
        events = self._events.poll(left_s)
        now_s = time.monotonic()
        awake = dict.fromkeys(camera for fd, _ in events if (camera := self._camera_at[fd]) in self._until_s)
        awake.update(dict.fromkeys(camera for camera, until_s in self._until_s.items() if until_s <= now_s))
        return awake


def _run(plan: Plan, shots: Sequence[_Ready]) -> Load:
    cpu_before_s = time.process_time()
    # a line's cameras are connected before its first part comes
    begin_s = time.monotonic() + (_CONNECT_S if plan.takt_ms else 0)
    cameras = [_Camera(plan, shots, number, begin_s) for number in range(plan.cameras)]
    threads = min(plan.cameras, len(os.sched_getaffinity(0)))
    loops = [threading.Thread(target=_Loop(cameras[first::threads]).run) for first in range(threads)]
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    cpu_s = time.process_time() - cpu_before_s
    counted_from_s = begin_s + plan.warm_s
    seconds = time.monotonic() - counted_from_s
    sent = sum(len(camera.seen.times) for camera in cameras)
    counted = [[entry for entry in camera.seen.times if entry[0] >= counted_from_s] for camera in cameras]
    times = [entry for entries in counted for entry in entries]
    took_ms = sorted(1e3 * took_s for _, took_s in times) or [0.0]
    mistakes = [mistake for camera in cameras for mistake in camera.seen.mistakes]
    return Load(
        frames=len(times),
        warm_frames=sent - len(times),
        errors=len(mistakes),
        refused=sum(1 for mistake in mistakes if mistake.startswith("429")),
        wrong=sum(1 for mistake in mistakes if mistake.startswith(_WRONG)),
        starved=_starved([len(entries) for entries in counted]),
        cpu_s=cpu_s,
        first_error=mistakes[0] if mistakes else "",
        seconds=seconds,
        p50_ms=_quantile(took_ms, 0.5),
        p99_ms=_quantile(took_ms, 0.99),
        p999_ms=_quantile(took_ms, 0.999),
        longest_ms=took_ms[-1],
        late=[(due, 1e3 * took) for due, took in times if 0 < plan.late_ms < 1e3 * took],
    )


def _starved(frames: Sequence[int]) -> int:
    """How many cameras had fewer than a quarter of their share, by the frames of each."""
    share = sum(frames) / len(frames)
    return sum(1 for count in frames if count < share / 4) if share >= _EVEN_FRAMES else 0


def _do_not_wait_for_a_core() -> None:
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(os.sched_get_priority_min(os.SCHED_RR)))


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
    _do_not_wait_for_a_core()
    print(json.dumps(asdict(_run(Plan(**asked["plan"]), shots))))


if __name__ == "__main__":
    main()
