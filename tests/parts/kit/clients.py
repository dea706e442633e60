"""Clients that send views of parts until a test ends them; what they were told, compared with what is on record."""

from __future__ import annotations

import threading
from typing import Any

import httpx

from tests.parts.kit.served import VIEWS, view, words
from tests.support.faults import until
from tests.support.running import Server

Told = tuple[str, bool | None, dict[str, Any] | None]


class Clients:
    """Four that each send the views of parts, and note what they were told; every other part has a bad view."""

    def __init__(self, server: Server) -> None:
        self.told: dict[str, list[Told]] = {}
        self.sent = 0
        self._server = server
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(4)]
        for thread in self._threads:
            thread.start()

    def _run(self, client: int) -> None:
        number = 0
        while not self._ends.is_set():
            number += 1
            part = f"{client}-{number}"
            heard = self.told.setdefault(part, [])
            for name in VIEWS:
                data = "nok" if number % 2 == 0 and name == "left" else ""
                try:
                    answer = view(self._server, part, name, data).json()
                    heard.append((name, answer.get("result"), answer.get("partResult")))
                except (httpx.HTTPError, ValueError):
                    heard.append((name, None, None))  # its front is gone
                self.sent += 1

    def have_sent(self, more: int) -> None:
        """Wait until so many more frames were sent."""
        goal = self.sent + more
        until(lambda: self.sent >= goal)

    def end(self) -> None:
        """Let each client finish its part."""
        self._ends.set()
        for thread in self._threads:
            thread.join()


def check(heard: list[Told], on_record: list[dict[str, Any]]) -> None:
    """Compare what clients were told of a part with what is on record of it."""
    results = [result for _, result, _ in heard]
    if any(result is not None for result in results):  # a front that lives tells of each frame that it answers
        assert on_record
    for one in on_record:
        if one["verdict"] == "OK":
            assert False not in results
            assert words(one) == ["OK"] * 3
        if one["verdict"] == "NOK":
            assert False in results
    for _, _, told in heard:
        if told is not None and told["verdict"] == "OK":
            assert [one["verdict"] for one in on_record] == ["OK"]
