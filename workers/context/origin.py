"""Where a frame comes from, and what code is told of it (`context["frame"]`)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

_ID_BYTES = 128


class Origin(NamedTuple):
    """Where a frame comes from: when its request came (CLOCK_REALTIME), its slot, who sent it, of which part
    and view of it.

    `is_again` where a frame that is kept is looked at once more: it is no part.
    `asked` is what its request is called and the `traceparent` of what is asked for its sake (memory/slot.py).
    """

    came_ns: int
    slot: int = 0
    camera: str = ""
    part: str = ""
    asked: bytes = b""
    is_again: bool = False
    view: str = ""

    def about(self, deadline_ns: int) -> dict[str, Any]:
        """Return what code finds of it; its id stays the same where the frame is run again after a worker's death."""
        found = {
            "id": "%016x%02x" % (self.came_ns, self.slot),  # noqa: UP031 - twice as fast
            "camera": self.camera,
            "part": self.part or None,
            "view": self.view or None,
            "requestId": _text(self.asked[:_ID_BYTES]),
            "traceparent": _text(self.asked[_ID_BYTES:]),
            "time": f"{_second(self.came_ns // 1_000_000_000)}.{self.came_ns // 1000 % 1_000_000:06}+00:00",
            "remainingMs": (deadline_ns - time.monotonic_ns()) / 1e6,
        }
        if self.is_again:
            found["again"] = True
        return found


def _text(padded: bytes) -> str | None:
    return padded.rstrip(b"\0").decode("ascii", "replace") or None


@lru_cache(4)  # frames of one second share it, and it takes as long as all of the rest
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S")
