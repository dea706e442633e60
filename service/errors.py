"""Every error as the client sees it: one table of statuses, one form (RFC 9457 problem details).

`error` and `processing` are there because the vendor's SDK parses whatever body it gets as a context.
"""

from __future__ import annotations

import http
import logging
from typing import TYPE_CHECKING, Any

import falcon
import orjson

from workers.errors import FramemillError, InternalError

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger(__name__)
FAULT = "the server met a fault of its own; its log has the details"


STATUS: Mapping[str, int] = {
    "invalid_parameter": 400,
    "frame_size_mismatch": 400,
    "incomplete_body": 400,
    "body_invalid": 400,
    "head_invalid": 400,
    "segment_invalid": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "no_last_image": 404,
    "no_history": 404,
    "not_found": 404,
    "segment_not_found": 404,
    "body_too_slow": 408,
    "head_too_slow": 408,
    "cannot_decide": 409,
    "change_refused": 409,
    "decided_meanwhile": 409,
    "inputs_changed": 409,
    "frame_too_large": 413,
    "uri_too_long": 414,
    "body_unsupported": 415,
    "image_unsupported": 415,
    "image_invalid": 422,
    "image_too_large": 422,
    "input_invalid": 422,
    "server_busy": 429,
    "too_many_attempts": 429,
    "head_too_large": 431,
    "frame_cancelled": 499,
    "internal_error": 500,
    "worker_crashed": 500,
    "out_of_memory": 500,
    "context_not_serializable": 500,
    "context_too_large": 500,
    "reply_too_large": 500,
    "context_too_large_for_header": 500,
    "flow_broken": 503,
    "not_ready": 503,
    "history_away": 503,
    "not_recorded": 503,
    "switch_not_kept": 507,
    "inputs_not_kept": 507,
    "hold_not_kept": 507,
    "deadline_exceeded": 504,
}


def problem(status: int, code: str, detail: str, request_id: str = "", part_result: bytes = b"") -> bytes:
    """Return the body of an error as JSON."""
    document: dict[str, Any] = {
        "type": f"urn:framemill:error:{code}",
        "title": _title(status),
        "status": status,
        # a detail may quote what a client sent, and that may hold what JSON cannot
        "detail": detail.encode("utf-8", "replace").decode(),
        "code": code,
        "error": True,
        "processing": False,
    }
    if request_id:
        document["requestId"] = request_id
    if part_result:
        document["partResult"] = orjson.Fragment(part_result)
    return orjson.dumps(document)


def _title(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request"


def _problem_headers(status: int, retry_after_s: int = 1) -> list[tuple[str, str]]:
    headers = [("Content-Type", "application/problem+json")]
    if status == 401:
        headers.append(("WWW-Authenticate", "Bearer"))
    if status in {429, 503}:
        headers.append(("Retry-After", str(retry_after_s)))
    return headers


def _write(resp: falcon.Response, status: int, code: str, detail: str, error: FramemillError | None = None) -> None:
    resp.status = status
    resp.context.code = code
    part_result, retry_after_s = (error.part_result, error.retry_after_s) if error else (b"", 1)
    resp.data = problem(status, code, detail, resp.get_header("X-Request-Id") or "", part_result)
    resp.stream = None
    resp.set_headers(_problem_headers(status, retry_after_s))


def answer_to(error: Exception, request_id: str = "") -> tuple[str, list[tuple[str, str]], bytes]:
    """Return status line, headers and body for an error that no framework handles; a fault of ours keeps its inside."""
    if not isinstance(error, FramemillError):
        _log.error("a fault of ours", exc_info=error)
        error = InternalError(FAULT)
    elif error.log_traceback:
        _log.error("%s", error.message, exc_info=error)
    status = STATUS.get(error.code, 500)
    headers = _problem_headers(status, error.retry_after_s)
    body = problem(status, error.code, error.message, request_id, error.part_result)
    return f"{status} {_title(status)}", headers, body


def on_framemill_error(req: falcon.Request, resp: falcon.Response, error: FramemillError, _: dict[str, Any]) -> None:
    """Answer with one of our own errors."""
    if error.log_traceback:
        _log.error("%s %s: %s", req.method, req.path, error.message, exc_info=error)
    _write(resp, STATUS.get(error.code, 500), error.code, error.message, error)


def on_http_error(req: falcon.Request, resp: falcon.Response, error: falcon.HTTPError, _: dict[str, Any]) -> None:
    """Answer with an error of Falcon's: unknown path, method not allowed, malformed form."""
    status = int(error.status_code)
    headers = dict(error.headers or {})
    for name, value in headers.items():
        resp.set_header(name, value)
    detail = error.description or error.title or _title(status)
    if status == 404:
        detail = f"there is nothing at {req.path}"
    elif status == 405:
        detail = f"{req.method} is not possible at {req.path}; expected {headers.get('Allow', 'another method')}"
    _write(resp, status, _title(status).lower().replace(" ", "_"), detail)


def on_any_error(req: falcon.Request, resp: falcon.Response, error: Exception, _: dict[str, Any]) -> None:
    """Answer a fault of ours without telling its inside."""
    _log.error("%s %s: a fault of ours", req.method, req.path, exc_info=error)
    _write(resp, 500, InternalError.code, FAULT)
