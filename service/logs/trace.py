"""The ids of a request: what its client calls it, what a trace calls it, and what this server calls it.

`X-Request-Id` is taken as the client says it, where it has only letters that can do no harm in a header, a log or JSON;
else the request has an id of our own. `traceparent` is read by W3C Trace Context: what is not valid is passed over, and
what is goes on as a child, whose parent is the span that this request is here. `tracestate` is not passed on.
"""

from __future__ import annotations

import itertools
import os
import re
import struct
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

TRACE = "framemill.trace"  # where in its environ a request keeps its Trace

REQUEST_ID = r"[A-Za-z0-9._:/+=@~-]{1,128}"
_REQUEST_ID = re.compile(REQUEST_ID)
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
_KNOWN_FLAGS = 3  # sampled, and that the trace's id is random: others must be 0 on the way on
_PACKED = struct.Struct("128s64s")  # as workers/memory/slot.py has it


class Said(NamedTuple):
    """What a client says of its request; empty where it says nothing, or nothing that is valid."""

    request_id: str = ""
    trace_id: str = ""
    flags: int = 0


class FrameEnd(NamedTuple):
    """What a line tells of a frame; times in nanoseconds. `verdict` is None where nobody inspected it.

    `held` is the alert that held the line, so that its answer was NOK.
    """

    client: str
    camera: str = ""
    part: str = ""
    id: str = ""
    frame_bytes: int = 0
    is_answered: bool = False
    verdict: bool | None = None
    queue_ns: int = 0
    run_ns: int = 0
    flow_failed: bool = False
    view: str = ""
    held: str = ""


class _OwnIds:
    """Ids of our own, for all threads of a process; no other process, and none before, has given the same."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Begin anew: two processes that were forked of one may not go on alike."""
        self._prefix = os.urandom(8).hex()
        self._numbers = itertools.count()

    def next(self) -> str:
        """Return the next one."""
        return f"{self._prefix}{next(self._numbers):08x}"


_OWN = _OwnIds()
os.register_at_fork(after_in_child=_OWN.renew)


class Trace:
    """One request's; `begun_ns` is CLOCK_MONOTONIC, `frame` what became of its frame, where it had one."""

    __slots__ = ("begun_ns", "frame", "method", "path", "request_id", "said", "span_id")

    def __init__(self, method: str = "", path: str = "", said: Said | None = None) -> None:
        self.begun_ns = time.monotonic_ns()
        self.method = method
        self.path = path
        self.said = said or _NOTHING
        self.request_id = self.said.request_id or _OWN.next()
        self.span_id = _new_span() if self.said.trace_id else ""
        self.frame: FrameEnd | None = None

    @property
    def traceparent(self) -> str:
        """What whoever is asked on behalf of this request is told; empty where its client said nothing of a trace."""
        return f"00-{self.said.trace_id}-{self.span_id}-{self.said.flags:02x}" if self.span_id else ""

    @property
    def headers(self) -> list[tuple[str, str]]:
        """What its answer says of it."""
        told = [("X-Request-Id", self.request_id)]
        if self.span_id:
            told.append(("traceparent", self.traceparent))
        return told

    @property
    def packed(self) -> bytes:
        """As workers get it, beside the job."""
        return _PACKED.pack(self.request_id.encode(), self.traceparent.encode())


_NOTHING = Said()


def said_by(env: Mapping[str, Any]) -> Said:
    """Read what a request's headers say."""
    request_id, traceparent = env.get("HTTP_X_REQUEST_ID"), env.get("HTTP_TRACEPARENT")
    if request_id is None and traceparent is None:
        return _NOTHING
    given = request_id if request_id is not None and _REQUEST_ID.fullmatch(request_id) else ""
    return Said(given, *_trace_of(traceparent or ""))


def _trace_of(traceparent: str) -> tuple[str, int]:
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return "", 0
    version, trace_id, parent_id, flags, more = found.groups()
    # of a version to come the first four fields are read, and the rest is its own affair
    if version == "ff" or (version == "00" and more) or trace_id == _NO_TRACE or parent_id == _NO_SPAN:
        return "", 0
    return trace_id, int(flags, 16) & _KNOWN_FLAGS


def _new_span() -> str:
    while (span := os.urandom(8).hex()) == _NO_SPAN:
        pass
    return span
