"""Every operation of the API, by path and method: a route needs a row here, or a test fails.

The words are plain data, read by nobody before the first one asks for the document (document.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

JSON, PNG, HTML, TEXT, STREAM = "application/json", "image/png", "text/html", "text/plain", "text/event-stream"
_FRAMES = ("application/octet-stream", "image/jpeg", "image/png", "multipart/form-data")


class Operation(NamedTuple):
    """What an operation does; `query` are names of PARAMETERS, of which those in `needed` must be there.

    `body` are types that its body may have, `shape` is the JSON schema of one that is JSON or a form. `answer` is its
    type, `statuses` are those of answers that are none of an error.
    """

    summary: str
    query: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    shape: Any = None
    answer: tuple[str, ...] = (JSON,)
    statuses: tuple[int, ...] = (200,)


def _text(about: str, most: int) -> dict[str, Any]:
    return {"description": about, "schema": {"type": "string", "maxLength": most}}


def _number(about: str, least: int, most: int) -> dict[str, Any]:
    return {"description": about, "schema": {"type": "integer", "minimum": least, "maximum": most}}


_FLAG = {"type": "string", "enum": ["", "1", "true", "yes", "on", "0", "false", "no", "off"]}

PARAMETERS: dict[str, dict[str, Any]] = {
    "width": _number("of a raw frame, in pixels", 1, 65535),
    "height": _number("of a raw frame, in pixels", 1, 65535),
    "bayer": _text("whether a raw frame is BayerRG8, or the name of its format", 32),
    "pixel_format": _text("of a raw frame: a name of the Pixel Format Naming Convention", 32),
    "response_type": {
        "description": "what the answer holds",
        "schema": {"type": "string", "enum": ["context", "image", "annotated_image", "heatmap"]},
    },
    "context_in_body": {"description": "the context stands behind the picture, not in a header", "schema": _FLAG},
    "data": _text("free text for the flow: context['data']", 4096),
    "camera": _text("which camera sent the frame", 200),
    "part": _text("which part it shows", 200),
    "deadline_ms": _number("after which the answer is of no use", 1, 9_999_999),
    "name": _text("of the shared memory", 255),
    "accept": {"description": "the version is taken whatever its proof says", "schema": _FLAG},
    "wait_s": _number("how long the outcome is waited for", 0, 999),
    "context": {"description": "each event has the frame's context", "schema": _FLAG},
    "key": _text("the stop key", 4096),
}

_ASKED = ("response_type", "context_in_body", "data", "camera", "part", "deadline_ms")
_RAW = ("width", "height", "bayer", "pixel_format", *_ASKED)
_SWITCH = {
    "type": "object",
    "properties": {"process": {"type": "boolean"}},
    "required": ["process"],
}


def _frames(summary: str, query: tuple[str, ...], needed: tuple[str, ...] = ()) -> dict[str, Operation]:
    sent = Operation(summary, query, needed, _FRAMES, answer=(JSON, PNG))
    return {"POST": sent, "PUT": sent, "GET": sent._replace(summary=f"{summary}, in a form", body=_FRAMES[-1:])}


def _read(summary: str, *answer: str, query: tuple[str, ...] = ()) -> dict[str, Operation]:
    told = Operation(summary, query, answer=answer or (JSON,))
    return {"GET": told, "HEAD": told}


def _form(summary: str, *fields: str) -> dict[str, Operation]:
    shape = {"type": "object", "properties": {name: {"type": "string"} for name in fields}, "required": [*fields]}
    body = ("application/x-www-form-urlencoded",)
    return {"POST": Operation(summary, body=body, shape=shape, answer=(HTML,), statuses=(303,))}


_CHANGE = Operation("", ("wait_s",), statuses=(200, 202))
_STOP = Operation("End the server", ("key",), ("key",), answer=(TEXT,))

OPERATIONS: dict[str, dict[str, Operation]] = {
    "/analyze_image": _frames("Inspect an encoded frame", _ASKED),
    "/analyze_raw_image": _frames("Inspect a raw frame", _RAW, ("width", "height")),
    "/analyze_raw_Image": _frames("Inspect a raw frame", _RAW, ("width", "height")),
    "/analyze_image_shared_memory": {
        "POST": Operation("Inspect a raw frame in shared memory", ("name", *_RAW), ("name",), answer=(JSON, PNG))
    },
    "/last_image": _read("The last frame, drawn again", JSON, PNG, query=("response_type", "context_in_body")),
    "/ping": _read("Whether the server is there", JSON, TEXT),
    "/version": _read("The version of the API", JSON, TEXT),
    "/livez": _read("Whether the server lives"),
    "/readyz": _read("Whether frames can be inspected"),
    "/metrics": _read("Numbers for Prometheus", TEXT),
    "/stop": {"GET": _STOP, "HEAD": _STOP, "POST": _STOP},
    "/api/v1/process": {
        **_read("How the Process switch stands"),
        "PUT": Operation("Throw the Process switch", body=(JSON,), shape=_SWITCH),
    },
    "/api/v1/status": _read("The state of the server in numbers"),
    "/api/v1/reload": {"POST": _CHANGE._replace(summary="Load the project anew", query=("wait_s", "accept"))},
    "/api/v1/rollback": {"POST": _CHANGE._replace(summary="Run the version before again")},
    "/api/v1/events": {"GET": Operation("What becomes of frames, as it happens", ("context",), answer=(STREAM,))},
    "/api/v1/alerts": _read("How alerts stand"),
    "/api/v1/alerts/{name}/acknowledge": {"POST": Operation("Acknowledge an alert: it holds the line no more")},
    "/openapi.json": _read("This description"),
    "/api/docs": _read("A page to try the API", HTML),
    "/": _read("The page Live", HTML),
    "/live/events": {"GET": Operation("Pieces of the page Live as they change", answer=(STREAM,))},
    "/live/picture": _read("The picture of the page Live", "image/jpeg"),
    "/process": _form("Throw the Process switch, from the page", "process"),
    "/alerts": _form("Acknowledge an alert, from the page", "acknowledge"),
    "/language": _form("Choose the language of the page", "language"),
    "/static/{name}": _read("A file of the page", "*/*"),
    "/favicon.ico": _read("The icon of the page", "image/svg+xml"),
}
