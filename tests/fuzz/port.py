"""Mutants through the HTTP port of a running server, beside a camera whose sound frames must all come back right.

The camera's frames differ in size, and an answer must name the size of its own frame: that is their mark.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import httpx
import numpy as np

from tests.fuzz.campaign import Tally
from tests.image_files.encoded import grey_png

_ANSWERS = frozenset({200, 400, 413, 415, 422})  # 400: a mutant may be empty
_PATH = "/analyze_image"


def through_port(
    url: str, numbers: range, make: Callable[[int], bytes], jobs: int, show: Callable[[Tally], None] = lambda _: None
) -> Tally:
    """Send the files that `make` returns for `numbers` over `jobs` connections.

    A finding is any answer that none of them should get, a worker's death, and a sound frame that was not answered.
    """
    tally = Tally()
    lock = threading.Lock()
    deaths = _deaths(url)

    def send(part: range) -> None:
        with httpx.Client(base_url=url, timeout=60) as client:
            for number in part:
                answer = client.post(_PATH, content=make(number))
                with lock:
                    tally.done += 1
                    tally.answers[str(answer.status_code)] += 1
                    if answer.status_code not in _ANSWERS:
                        tally.findings[number] = f"{answer.status_code}: {answer.text[:300]}"
                    show(tally)

    camera = _Bystander(url)
    with camera, ThreadPoolExecutor(jobs) as cameras:
        for done in [cameras.submit(send, numbers[start::jobs]) for start in range(jobs)]:
            done.result()
    tally.answers["sound frames beside them"] = camera.sent
    for number, text in enumerate(camera.wrong, 1):
        tally.findings[-number] = f"a sound frame beside them: {text}"
    if _deaths(url) != deaths:
        tally.findings[numbers.stop] = f"{_deaths(url) - deaths} workers died"
    return tally


def _deaths(url: str) -> int:
    status: dict[str, Any] = httpx.get(f"{url}/api/v1/status", timeout=60).raise_for_status().json()
    deaths: int = status["workers"]["deaths"]
    return deaths


class _Bystander:
    """Sends sound frames until the end of its block, one at least."""

    def __init__(self, url: str) -> None:
        self.sent = 0
        self.wrong: list[str] = []
        self._url = url
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _send(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            for size in itertools.cycle(range(8, 200)):
                answer = client.post(_PATH, content=grey_png(np.full((size, 2 * size), size, np.uint8)))
                self.sent += 1
                if answer.status_code != 200 or answer.json()["imageShape"] != {"height": size, "width": 2 * size}:
                    self.wrong.append(f"{answer.status_code} {answer.text[:300]}")
                if self._over.is_set():
                    return
