"""One line a request, on standard output, where somebody wants it; it waits for nobody, and what is lost is counted.

A line holds no key, no pixel, no query and nothing of `data`. What clients may choose (a path, a name, a part) is cut
and escaped, so that none of it can end a line, begin another one, or change what a terminal shows.
"""

from __future__ import annotations

import re
import select
import threading
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from workers.standard_streams import hasty_writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.logs.trace import FrameEnd, Trace

_STDOUT = 1
_ERROR = 400
_NEVER = 1000  # above every status
_LONGEST_PATH = 200
_VERDICTS = {True: "OK", False: "NOK", None: "OFF"}
_FROM = {"none": _NEVER, "errors": _ERROR, "all": 0}
_AT_ONCE_BYTES = select.PIPE_BUF  # so much goes into a pipe whole, whoever else writes there
_SHORT = 40
_WORDS = ("time", "status", "verdict", "method", "path")
_CHOSEN = frozenset(
    {"path", "client", "camera", "part", "view"}
)  # by clients, freely; all else is ours or was looked at
_BARE = re.compile(r'[^\s"=\\]+')


class RequestLog:
    """A front's, for all its threads. It is off until `begin`."""

    def __init__(self) -> None:
        self._from_status = _NEVER
        self._lock = threading.Lock()

    def begin(self, wanted: str, form: str, front: int, count_lost: Callable[[], None], fd: int = _STDOUT) -> None:
        """Write lines to `fd` from now on, as the settings log_requests and log_format say.

        `count_lost` counts one that could not be written.
        """
        self._from_status = _FROM[wanted]
        if not self.is_on:
            return
        self._make = _as_json if form == "json" else _as_text
        self._front = front
        self._count_lost = count_lost
        self._write = hasty_writer(fd)
        self._torn = False

    @property
    def is_on(self) -> bool:
        """Whether anything is told: what only a line needs is not even found out where not."""
        return self._from_status < _NEVER

    def tell(self, trace: Trace, client: str, status: int, code: str, answer_bytes: int) -> None:
        """Tell of a request that has its answer; `code` is that of an error."""
        frame = trace.frame
        if status < self._from_status and not (self.is_on and frame is not None and frame.flow_failed):
            return
        told = self._told(trace, client, status, code, answer_bytes)
        line = self._make(told)
        if len(line) > _AT_ONCE_BYTES:
            line = self._make({name: _cut(value) for name, value in told.items()})
        with self._lock:
            if self._torn:  # what is left of a line ends here
                line = b"\n" + line
            try:
                sent = self._write(memoryview(line))
            except OSError:
                sent = 0
            self._torn = 0 < sent < len(line) or (self._torn and not sent)
        if sent < len(line):
            self._count_lost()

    def _told(self, trace: Trace, client: str, status: int, code: str, answer_bytes: int) -> dict[str, Any]:
        now_ns = time.time_ns()
        told: dict[str, Any] = {
            "time": f"{_second(now_ns // 1_000_000_000)}.{now_ns // 1000 % 1_000_000:06}Z",
            "status": status,
            "verdict": None,
            "method": trace.method,
            "path": trace.path[:_LONGEST_PATH],
            "requestId": trace.request_id,
            "client": client,
        }
        if trace.span_id:
            told["traceId"], told["spanId"] = trace.said.trace_id, trace.span_id
        if code:
            told["code"] = code
        if trace.frame is not None:
            told.update(_of_frame(trace.frame))
        told["tookMs"] = _ms(time.monotonic_ns() - trace.begun_ns)
        told["answerBytes"] = answer_bytes
        told["front"] = self._front
        return told


def _of_frame(frame: FrameEnd) -> dict[str, Any]:
    told: dict[str, Any] = {"client": frame.client, "camera": frame.camera, "part": frame.part or None}
    if frame.view:
        told["view"] = frame.view
    if frame.id:
        told["frame"] = frame.id
    if frame.is_answered:
        told["verdict"] = _VERDICTS[frame.verdict]
        if frame.held:
            told["held"] = frame.held
        told["queueMs"], told["runMs"] = _ms(frame.queue_ns), _ms(frame.run_ns)
        if frame.flow_failed:
            told["flowFailed"] = True
    told["frameBytes"] = frame.frame_bytes
    return told


def _cut(value: Any) -> Any:
    """Of names that are nothing but what must be escaped the rest is left out; ids are short enough."""
    is_odd = isinstance(value, str) and not (value.isascii() and value.isprintable())
    return value[:_SHORT] if is_odd else value


def _ms(ns: int) -> float:
    return round(ns / 1e6, 3)


@lru_cache(4)
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _as_json(told: dict[str, Any]) -> bytes:
    return _json(told).encode() + b"\n"


def _as_text(told: dict[str, Any]) -> bytes:
    """The time, status, verdict, method and path as words, all else by name."""
    shown = {name: _word(value) if name in _CHOSEN else value for name, value in told.items() if value is not None}
    words = [str(shown.pop(name, None) or "-") for name in _WORDS]
    words += [f"{name}={value}" for name, value in shown.items()]
    return " ".join(words).encode() + b"\n"


def _word(value: str) -> str:
    return value if _BARE.fullmatch(value) and value.isprintable() else _json(value)


def _json(value: Any) -> str:
    """JSON with everything escaped that does not print: it can only be within texts."""
    try:
        text = orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # a lone surrogate, of bytes that are no UTF-8
        text = orjson.dumps(_in_utf8(value)).decode()
    return text if text.isprintable() else "".join(map(_shown, text))


def _in_utf8(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _in_utf8(each) for name, each in value.items()}
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _shown(letter: str) -> str:
    if letter.isprintable():
        return letter
    units = letter.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


LOG = RequestLog()
"""Of this process: what is told in a front, whichever way a request came."""
