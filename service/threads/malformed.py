"""What is said of requests that cannot be read: the kind of the mistake. gunicorn would quote them, with their keys."""

from __future__ import annotations

import contextlib
import logging
import ssl
from typing import Any

from gunicorn import util
from gunicorn.http import errors as http

from service.errors import FAULT, problem
from service.logs.request_log import LOG
from service.logs.trace import Trace
from service.threads.camera_threads import CameraThreads
from service.wire.plain_body import response_head
from service.wire.request_head import HostInvalid

_log = logging.getLogger("gunicorn.error")
_BAD = "Bad Request"
_FIELD = "a header field is malformed, stands twice, or contradicts another"
_KINDS: tuple[tuple[Any, int, str, str], ...] = (
    (http.LimitRequestLine, 414, "URI Too Long", "the first line of the request is too long"),
    (
        http.LimitRequestHeaders,
        431,
        "Request Header Fields Too Large",
        "there are too many header fields, or one is too long",
    ),
    (http.ExpectationFailed, 417, "Expectation Failed", "Expect names something other than 100-continue"),
    (
        http.UnsupportedTransferCoding,
        501,
        "Not Implemented",
        "Transfer-Encoding names something other than chunked; send the bytes as they are, chunked or with a length",
    ),
    # what an application would have sent is a fault of ours
    ((http.InvalidResponseHeader, http.InvalidResponseHeaderName), 500, "Internal Server Error", FAULT),
    (HostInvalid, 400, _BAD, "Host is missing or malformed; HTTP/1.1 wants the server's name or address in it, once"),
    (http.InvalidRequestLine, 400, _BAD, "the first line is not of the form METHOD TARGET HTTP/1.1, or has odd bytes"),
    (http.InvalidRequestMethod, 400, _BAD, "the method is none that HTTP knows; expected capital letters, as in POST"),
    (http.InvalidHTTPVersion, 400, _BAD, "the version of HTTP is another than 1.0 or 1.1"),
    (http.ObsoleteFolding, 400, _BAD, "a header field goes on in a second line; expected one line for each"),
    (http.InvalidHeaderName, 400, _BAD, "the name of a header field has characters that it may not have"),
    (http.InvalidHeader, 400, _BAD, _FIELD),
    (http.InvalidSchemeHeaders, 400, _BAD, "X-Forwarded-Proto and the like contradict each other"),
    (http.ParseException, 400, _BAD, "the request could not be read: its head is not well formed"),
    (BaseException, 500, "Internal Server Error", FAULT),
)


class DiscreetThreads(CameraThreads):
    """Answers and logs what could not be read by the kind of its mistake, never by its content."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer with an error, where there is still somebody to answer."""
        who = addr[0] if isinstance(addr, tuple) and addr else "a local client"
        if isinstance(exc, ssl.SSLError):
            _log.warning("no TLS connection with %s: %s", who, exc.reason)
            return
        status, phrase, detail = _told(exc)
        if status == 500:
            _log.error("%s %s: a fault of ours", getattr(req, "method", "?"), getattr(req, "path", "?"), exc_info=exc)
        else:
            _log.warning("a request from %s could not be read: %s", who, type(exc).__name__)
        code = phrase.lower().replace(" ", "_")
        trace = Trace()
        body = problem(status, code, detail, trace.request_id)
        LOG.tell(trace, who, status, code, len(body))
        length = ("Content-Length", str(len(body)))
        headers = [("Content-Type", "application/problem+json"), length, *trace.headers]
        with contextlib.suppress(OSError):
            util.write(client, response_head("1.1", f"{status} {phrase}", headers, keep=False) + body)


def _told(error: BaseException) -> tuple[int, str, str]:
    """Return the status, its phrase, and what is said of this kind of mistake."""
    return next((status, phrase, detail) for kind, status, phrase, detail in _KINDS if isinstance(error, kind))
