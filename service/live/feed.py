"""What a front has for those who look on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Feed(NamedTuple):
    """Its server's rings, by descriptor, in the order of fronts; whether the front ends; when the server started."""

    rings: tuple[int, ...]
    is_ending: Callable[[], bool]
    started_ns: int
