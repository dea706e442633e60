"""What gunicorn says of requests that it cannot read: it would quote them, and they may hold a key."""

from __future__ import annotations

import contextlib
import logging
import ssl
from typing import Any

from gunicorn import util
from gunicorn.http import errors as http

from service.errors import problem
from service.threads import CameraThreads
from service.wire import response_head

_log = logging.getLogger("gunicorn.error")
_STATUS = (
    (http.LimitRequestLine, 414, "URI Too Long"),
    (http.LimitRequestHeaders, 431, "Request Header Fields Too Large"),
    (http.ExpectationFailed, 417, "Expectation Failed"),
    (http.UnsupportedTransferCoding, 501, "Not Implemented"),
    # what an application would have sent is a fault of ours
    ((http.InvalidResponseHeader, http.InvalidResponseHeaderName), 500, "Internal Server Error"),
    (http.ParseException, 400, "Bad Request"),
    (BaseException, 500, "Internal Server Error"),
)
_DETAIL = "the request could not be read: its head is not well formed, or too long"
_FAULT = "the server met a fault of its own; its log has the details"


class DiscreetThreads(CameraThreads):
    """Answers and logs what could not be read by the kind of its mistake, never by its content."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer with an error, where there is still somebody to answer."""
        who = addr[0] if isinstance(addr, tuple) and addr else "a local client"
        if isinstance(exc, ssl.SSLError):
            _log.warning("no TLS connection with %s: %s", who, exc.reason)
            return
        status, phrase = _status_of(exc)
        if status == 500:
            _log.error("%s %s: a fault of ours", getattr(req, "method", "?"), getattr(req, "path", "?"), exc_info=exc)
        else:
            _log.warning("a request from %s could not be read: %s", who, type(exc).__name__)
        code = phrase.lower().replace(" ", "_")
        body = problem(status, code, _FAULT if status == 500 else _DETAIL)
        headers = [("Content-Type", "application/problem+json"), ("Content-Length", str(len(body)))]
        with contextlib.suppress(OSError):
            util.write(client, response_head("1.1", f"{status} {phrase}", headers, keep=False) + body)


def _status_of(error: BaseException) -> tuple[int, str]:
    return next((status, phrase) for kind, status, phrase in _STATUS if isinstance(error, kind))
