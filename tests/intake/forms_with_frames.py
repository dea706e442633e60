"""Forms with a frame in them and fields before or behind it, and the server's answer to one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.clients.raw_http import Answer, Connection
from tests.support.forms import FILE, fields, part, whole
from tests.support.pictures import png
from tests.support.running import Server

PLACES = ["before", "behind"]


def ask(server: Server, sent: bytes, source: str = "127.0.0.1") -> Answer:
    with Connection(server.port, source=source) as client:
        client.send(sent)
        answer = client.answer()
    assert answer is not None
    return answer


def frame_form(scene: NDArray[np.uint8], *before: bytes, behind: list[bytes] | None = None) -> bytes:
    return whole(*before, part([FILE + '; filename="a.png"', "Content-Type: image/png"], png(scene)), *(behind or []))


def placed(scene: NDArray[np.uint8], place: str, **values: str) -> bytes:
    parts = fields(**values)
    return frame_form(scene, *(parts if place == "before" else []), behind=parts if place == "behind" else [])
