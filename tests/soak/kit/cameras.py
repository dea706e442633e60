"""Cameras that trust no answer: every frame carries a fresh mark in its pixels and in `data`, and must get it back.

They share a rate (50 frames/s from 8 cameras unless told otherwise), each frame due at its time whatever became of the
one before, over kept connections that are opened again when the server has closed them. What becomes of a frame is
written down as one `Answer`; the invariants of a chaos run are asked of all of them together (soak_checks.py).
"""

from __future__ import annotations

import http.client
import itertools
import json
import secrets
import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray

from tests.soak.kit.secrets import secrets_in
from tests.support.pictures import decoded, png

SILENT_S = 60.0  # a client gives up here; no deadline in these tests is as long
_NAMED = '"file":"code/soak.py"'  # an error of user code says where in the project it was
Choose = Callable[[int], str]
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one frame. Times in seconds, `due_s` by CLOCK_MONOTONIC, `took_s` from when it was sent.

    `status` is 0 where no whole answer came; then `lost` says how: "refused" (no connection), "cut" or "silent", and
    `error` what the connection said, and what it had carried before.
    `wrong` says in what the answer was not this frame's own; `told` is a secret that it held.
    """

    asked: str
    due_s: float
    sent_s: float
    took_s: float
    status: int
    code: str = ""
    lost: str = ""
    error: str = ""
    wrong: str = ""
    told: str = ""
    retry_after: str = ""

    @property
    def done_s(self) -> float:
        """When its answer was there, by CLOCK_MONOTONIC."""
        return self.sent_s + self.took_s


def nothing_special(_: int) -> str:
    """Ask for nothing but the mark."""
    return "mark"


class Cameras:
    """Cameras at work until the end of the block. `choose` says what a frame's `data` asks of the flow, by its number.

    Every `large_every`th frame is 1920x1024 BGR, others are small; 0 for none.
    """

    def __init__(
        self,
        port: int,
        *,
        count: int = 8,
        per_s: float = 50.0,
        choose: Choose = nothing_special,
        key: str = "",
        large_every: int = 25,
    ) -> None:
        self.answers: list[Answer] = []
        self._port = port
        self._takt_s = count / per_s
        self._choose = choose
        self._headers = {"X-API-Key": key} if key else {}
        self._large_every = large_every
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._flying: dict[int, float] = {}  # when the frame was sent that a camera waits for
        self._cameras = [threading.Thread(target=self._camera, args=(n * self._takt_s / count,)) for n in range(count)]

    def __enter__(self) -> Self:
        self._begin_s = time.monotonic()
        for camera in self._cameras:
            camera.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        for camera in self._cameras:
            camera.join()

    def run(self, seconds: float) -> list[Answer]:
        """Let them work for a time; returns the answers to frames that were sent in it, once all are there."""
        begin_s = time.monotonic()
        self._over.wait(seconds)
        end_s = time.monotonic()
        while any(sent_s < end_s for sent_s in self._flying.copy().values()):
            self._over.wait(0.005)
        return self.between(begin_s, end_s)

    def between(self, begin_s: float, end_s: float) -> list[Answer]:
        """The answers that are there to frames that were sent in this time."""
        return [answer for answer in self.answers.copy() if begin_s <= answer.sent_s < end_s]

    def _camera(self, phase_s: float) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=SILENT_S)
        last: Answer | None = None
        for turn in itertools.count():
            due_s = self._begin_s + phase_s + turn * self._takt_s
            if self._over.wait(max(0.0, due_s - time.monotonic())):
                break
            self._flying[threading.get_ident()] = time.monotonic()
            last = self._one(connection, due_s, last)
            self.answers.append(last)
            del self._flying[threading.get_ident()]
        connection.close()

    def _one(self, connection: http.client.HTTPConnection, due_s: float, last: Answer | None) -> Answer:
        number = next(self._numbers)
        frame = Frame.make(number, self._choose(number), self._large_every)
        if connection.sock is not None and select.select([connection.sock], [], [], 0)[0]:
            connection.close()  # the server has closed it between two frames, as it may
        before = f"after {last.status}" if connection.sock is not None and last else "the first on its connection"
        asked, sent_s = frame.asked, time.monotonic()
        try:
            answer = _exchange(connection, frame, self._headers)
        except ConnectionRefusedError:
            connection.close()
            return Answer(asked, due_s, sent_s, time.monotonic() - sent_s, 0, lost="refused")
        except TimeoutError:
            connection.close()
            return Answer(asked, due_s, sent_s, time.monotonic() - sent_s, 0, lost="silent")
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            took_s = time.monotonic() - sent_s
            return Answer(
                asked, due_s, sent_s, took_s, 0, lost="cut", error=f"{error!r}, {before}, {len(frame.body)} bytes"
            )
        took_s = time.monotonic() - sent_s
        head, body = answer.getheaders(), answer.body  # type: ignore[attr-defined]
        return _judge(frame, answer.status, dict(head), body, due_s, sent_s, took_s)


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as it is sent: its mark, the path with its parameters, its bytes, and its pixels."""

    mark: str
    data: str
    path: str
    body: bytes
    pixels: Picture
    wants_picture: bool

    @property
    def asked(self) -> str:
        """What its data asks of the flow."""
        return self.data.partition(":")[0]

    @classmethod
    def make(cls, number: int, asks: str, large_every: int) -> Frame:
        """Make frame `number`: raw or PNG, small or large, with the mark in its first and its last eight pixels."""
        mark = secrets.token_hex(8)
        large = large_every > 0 and number % large_every == large_every - 1
        height, width = (1024, 1920) if large else (32 + number % 17, 40 + number % 13)
        pixels = np.full((height, width, 3), number % 251, np.uint8)
        pixels[0, :8] = pixels[-1, -8:] = np.frombuffer(bytes.fromhex(mark), np.uint8)[:, None]
        as_png, wants_picture = number % 3 == 1 and not large, number % 7 == 3 and not large
        what, _, rest = asks.partition(":")
        query = {"data": f"{what}:{mark}:{rest}", "response_type": "image" if wants_picture else "context"}
        if not as_png:
            query |= {"width": str(width), "height": str(height)}
        path = f"/{'analyze_image' if as_png else 'analyze_raw_image'}?{urlencode(query)}&context_in_body"
        body = png(pixels) if as_png else pixels.tobytes()
        return cls(mark, query["data"], path, body, pixels, wants_picture)


def _exchange(
    connection: http.client.HTTPConnection, frame: Frame, headers: dict[str, str]
) -> http.client.HTTPResponse:
    try:
        connection.request("POST", frame.path, frame.body, {"Content-Type": "application/octet-stream", **headers})
    except (BrokenPipeError, ConnectionResetError):
        if connection.sock is None:
            raise
        # an answer may have come before the whole frame was sent; it counts
        answer = http.client.HTTPResponse(connection.sock, method="POST")
        answer.begin()
    else:
        answer = connection.getresponse()
    answer.body = answer.read()  # type: ignore[attr-defined]
    if answer.will_close:
        connection.close()
    return answer


def _judge(
    frame: Frame, status: int, head: dict[str, str], body: bytes, due_s: float, sent_s: float, took_s: float
) -> Answer:
    headers = {name.lower(): value for name, value in head.items()}
    picture, text = body[: int(headers.get("imagelen", 0))], body[int(headers.get("imagelen", 0)) :]
    told = secrets_in(f"{head}\n{text.decode('utf-8', 'replace').replace(_NAMED, '')}")
    try:
        document: dict[str, Any] = json.loads(text)
    except ValueError:
        document = {}
    wrong = _difference(frame, document, picture) if status == 200 else "" if "code" in document else "no error code"
    return Answer(
        asked=frame.asked,
        due_s=due_s,
        sent_s=sent_s,
        took_s=took_s,
        status=status,
        code=str(document.get("code", "")),
        wrong=wrong,
        told=told,
        retry_after=headers.get("retry-after", ""),
    )


def _difference(frame: Frame, context: dict[str, Any], picture: bytes) -> str:
    seen = context.get("seen")
    expected = {"data": frame.data, "first": frame.mark, "last": frame.mark, "shape": list(frame.pixels.shape)}
    if seen != expected:
        return f"expected {expected}, got {seen}"
    if frame.wants_picture and not np.array_equal(decoded(picture), frame.pixels):
        return f"the picture of {frame.data} is another"
    return ""
