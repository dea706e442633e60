"""A frame's way through its front, as far as its record tells of it: noted while it happens."""

from __future__ import annotations

from service.logs.trace import Trace


class Story:
    """One request's; times are CLOCK_MONOTONIC, all in nanoseconds.

    `about` is who sent the frame, of which part, and what was said with it (record.about_bytes); empty until that is
    understood. `came_ns` (CLOCK_REALTIME) and `slot` are the frame's origin, 0 and -1 while it has no slot. `trace` has
    the ids of its request. `recorded` is its record where that is committed already (before_answer). `input_revision`
    says what operators had set, None where the project has no inputs; `held` which alert held the line.
    """

    __slots__ = (
        "about",
        "begun_ns",
        "came_ns",
        "client",
        "frame_bytes",
        "held",
        "input_revision",
        "receiving_ns",
        "recorded",
        "slot",
        "trace",
        "waiting_ns",
    )

    def __init__(self, client: str, begun_ns: int, about: bytes = b"", trace: Trace | None = None) -> None:
        self.client = client
        self.trace = trace or Trace()
        self.begun_ns = begun_ns
        self.about = about
        self.came_ns = 0
        self.slot = -1
        self.waiting_ns = 0
        self.receiving_ns = 0
        self.frame_bytes = 0
        self.recorded = b""
        self.input_revision: int | None = None
        self.held = ""
