"""Every operation of the API, by path and method: a route needs a row here or in page_operations.py, or a test fails.

They are loaded when the first one asks for the document (document.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.decisions.models import NewDecision, UndoModel
from service.frames.sought import FramesQuery
from service.inputs.resource import InputsChange
from service.kept_pictures.resource import PictureQuery
from service.openapi import answers as told
from service.openapi import queries
from service.openapi.frame_answers import DecisionsOf, FrameInFull, Frames, PartAnswer
from service.openapi.operation import CSV, DONE, JPEG, JSON, PNG, STREAM, TEXT, Operation, read
from service.openapi.page_operations import PAGES
from service.openapi.statistics_answers import Shifts, Statistics
from service.statistics.resource import ShiftsQuery, StatisticsForm
from service.thresholds.resource import OverridesChange

if TYPE_CHECKING:
    from pydantic import BaseModel

_SENT = ("application/octet-stream", JPEG, PNG, "multipart/form-data")
_LOOKED_AT = (JSON, PNG)
_FRAME = "/api/v1/frames/{frame_id}"


def _frames(summary: str, query: type[BaseModel]) -> dict[str, Operation]:
    sent = Operation(summary, query, sent=_SENT, kinds=_LOOKED_AT)
    return {"POST": sent, "PUT": sent, "GET": sent._replace(summary=f"{summary}, in a form", sent=_SENT[-1:])}


_STOP = Operation("End the server", queries.StopQuery, kinds=(TEXT,))
_OVERRIDDEN: dict[int, type[BaseModel] | None] = {200: told.OverridesOutcome, 202: told.OverridesAskedFor}

OPERATIONS: dict[str, dict[str, Operation]] = {
    "/analyze_image": _frames("Inspect an encoded frame", queries.Asked),
    "/analyze_raw_image": _frames("Inspect a raw frame", queries.AskedRaw),
    "/analyze_raw_Image": _frames("Inspect a raw frame", queries.AskedRaw),
    "/analyze_image_shared_memory": {
        "POST": Operation("Inspect a raw frame in shared memory", queries.AskedSegment, kinds=_LOOKED_AT)
    },
    "/last_image": read("The last frame, drawn again", JSON, PNG, query=queries.Asked),
    "/ping": read("Whether the server is there", TEXT),
    "/version": read("The version of the API", TEXT),
    "/livez": read("Whether the server lives", answer=told.Lives),
    "/readyz": {
        "GET": Operation("Whether frames can be inspected", answers={200: told.Readiness, 503: told.Readiness}),
        "HEAD": Operation("Whether frames can be inspected", answers={200: None, 503: None}),
    },
    "/metrics": read("Numbers for Prometheus", TEXT),
    "/stop": {"GET": _STOP, "HEAD": _STOP._replace(kinds=()), "POST": _STOP},
    "/api/v1/process": {
        **read("How the Process switch stands", answer=told.ProcessState),
        "PUT": Operation("Throw the Process switch", body=told.ProcessWanted, answers={200: told.ProcessState}),
    },
    "/api/v1/status": read("The state of the server in numbers", answer=told.Numbers),
    "/api/v1/reload": {
        "POST": Operation(
            "Load the project anew",
            queries.ReloadQuery,
            answers={200: told.Reloaded, 202: told.ReloadAskedFor},
        )
    },
    "/api/v1/rollback": {
        "POST": Operation(
            "Run the version before again",
            queries.Patience,
            answers={200: told.RolledBack, 202: told.RollbackAskedFor},
        )
    },
    "/api/v1/events": {"GET": Operation("What becomes of frames, as it happens", queries.EventsQuery, kinds=(STREAM,))},
    "/api/v1/alerts": read("How alerts stand", answer=told.Alerts),
    "/api/v1/alerts/{name}/acknowledge": {
        "POST": Operation("Acknowledge an alert: it holds the line no more", answers={200: told.Alert})
    },
    "/api/v1/parts/{part}": read("The newest part of a name", query=queries.PartQuery, answer=PartAnswer),
    "/api/v1/frames": read("Frames that match, a page at a time", query=FramesQuery, answer=Frames),
    _FRAME: read("All that is known of a frame", answer=FrameInFull),
    f"{_FRAME}/picture": {
        "GET": Operation("The picture as it was kept", PictureQuery, answers={200: None, 304: None}, kinds=("*/*",)),
        "HEAD": Operation("The picture as it was kept", PictureQuery, answers={200: None, 304: None}),
    },
    f"{_FRAME}/again": read("Inspect the picture by the version that runs now", JSON, PNG, query=queries.Asked),
    f"{_FRAME}/decisions": {
        **read("What was decided about a frame", answer=DecisionsOf),
        "POST": Operation("Decide something about a frame", body=NewDecision, answers={201: DecisionsOf}),
    },
    f"{_FRAME}/decisions/{{number}}/undo": {
        "POST": Operation("Take a decision back", body=UndoModel, answers={201: DecisionsOf})
    },
    "/api/v1/statistics": {
        "GET": Operation("All that is known of a time", StatisticsForm, answers={200: Statistics}, kinds=(CSV,)),
        "HEAD": Operation("All that is known of a time", StatisticsForm),
    },
    "/api/v1/shifts": read("The shifts of some days", query=ShiftsQuery, answer=Shifts),
    "/api/v1/inputs": {
        **read("What operators can set, and have set", answer=told.Inputs),
        "PUT": Operation("Set some inputs, for the next frame on", body=InputsChange, answers={200: told.Inputs}),
    },
    "/api/v1/overrides": {
        **read("Thresholds, and which were changed", answer=told.Thresholds),
        "PUT": Operation("Change some thresholds", queries.Patience, body=OverridesChange, answers=_OVERRIDDEN),
        "DELETE": Operation("Take all thresholds back", queries.Patience, answers=_OVERRIDDEN),
    },
    "/openapi.json": {
        "GET": Operation("This description", kinds=(JSON,)),
        "HEAD": Operation("This description", answers=DONE),
    },
    **PAGES,
}
