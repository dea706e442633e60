"""Good cameras beside whatever a test does: they post marked frames in their takt and notice everything."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.support.running import Server

_PIXELS = bytes(range(64))
_PATH = "/analyze_raw_image?width=8&height=8&pixel_format=Mono8&data="


@dataclass(slots=True)
class Seen:
    """What the cameras met: times of answers in seconds, and everything that was not the right answer."""

    times_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def late_s(self) -> float:
        """The time within which 99 of 100 answers came."""
        return sorted(self.times_s)[len(self.times_s) * 99 // 100]


def _camera(
    server: Server, name: str, takt_s: float, enough: threading.Event, seen: Seen, context: ssl.SSLContext | None
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    if context is not None:
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=30, context=context)
    number = 0
    due_s = time.monotonic()
    while not enough.wait(max(0.0, due_s - time.monotonic())):
        due_s += takt_s
        number += 1
        mark = f"{name}-{number}"
        begun_s = time.monotonic()
        try:
            connection.request("POST", _PATH + mark, _PIXELS)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            seen.failures.append(f"{mark}: {error!r}")
            connection.close()
            continue
        seen.times_s.append(time.monotonic() - begun_s)
        if answer.status != 200 or json.loads(body)["seen"]["data"] != mark:
            seen.failures.append(f"{mark}: {answer.status} {body[:200]!r}")
    connection.close()


@contextmanager
def good_cameras(
    server: Server, cameras: int = 5, per_second: float = 50.0, context: ssl.SSLContext | None = None
) -> Iterator[Seen]:
    """Let cameras post `per_second` frames in all until the end of the block; the flow gives `data` back as `seen`.

    With a `context` they speak TLS.
    """
    enough, seen = threading.Event(), Seen()
    takt_s = cameras / per_second
    threads = [
        threading.Thread(target=_camera, args=(server, f"camera{number}", takt_s, enough, seen, context))
        for number in range(cameras)
    ]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        enough.set()
        for thread in threads:
            thread.join()
