"""The operations of the page, for people; a program has no need of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.frames.sought import FramesQuery, Sought
from service.openapi import forms, queries
from service.openapi.operation import HTML, JPEG, STREAM, Operation, read
from service.statistics.asked import StatisticsQuery

if TYPE_CHECKING:
    from pydantic import BaseModel


def _form(summary: str, form: type[BaseModel], *shown: str) -> dict[str, Operation]:
    """Return a form's POST, behind which a browser goes elsewhere."""
    return {"POST": Operation(summary, form=form, answers={303: None}, kinds=shown)}


def _piece(summary: str, query: type[BaseModel] | None, kind: str = HTML) -> dict[str, Operation]:
    return {"GET": Operation(summary, query, kinds=(kind,))}


PAGES: dict[str, dict[str, Operation]] = {
    "/": read("The page Live", HTML),
    "/live/events": _piece("Pieces of the page Live as they change", None, STREAM),
    "/live/picture": read("The picture of the page Live", JPEG, query=queries.ShownPicture),
    "/process": _form("Throw the Process switch, from the page", forms.ProcessForm),
    "/alerts": _form("Acknowledge an alert, from the page", forms.AlertForm),
    "/parts": read("The page Parts: a list of frames", HTML, query=FramesQuery),
    "/parts/{frame_id}": read("The page of a frame", HTML, query=Sought),
    "/parts/{frame_id}/golden": read("The golden image of a frame", "*/*"),
    "/parts/{frame_id}/decide": _form("Decide about a frame, from the page", forms.DecideForm),
    "/parts/{frame_id}/undo": _form("Take a decision back, from the page", forms.UndoForm),
    "/statistics": read("The page Statistics", HTML, query=StatisticsQuery),
    "/threshold": {
        **read("The page Threshold", HTML, query=queries.ThresholdPageQuery),
        **_form("Change a threshold, from the page", forms.ThresholdForm),
    },
    "/threshold/line": _piece("What of the page Threshold follows the line", queries.ThresholdQuery),
    "/inputs": {
        **read("The page Inputs", HTML, query=queries.InputsPageQuery),
        **_form("Set inputs, from the page", forms.InputsForm),
    },
    "/inputs/since": _piece("What others have set meanwhile", queries.InputsSinceQuery),
    "/log": read("The page Log: who changed what", HTML, query=queries.LogQuery),
    "/log/end": _form("End a session", forms.SessionForm),
    "/sign_in": {
        "GET": Operation("The form to sign in", queries.SignInQuery, answers={200: None, 303: None}, kinds=(HTML,)),
        "HEAD": Operation("The form to sign in", queries.SignInQuery, answers={200: None, 303: None}),
        **_form("Sign in with a key", forms.SignInForm),
    },
    "/sign_out": _form("Sign out", forms.SignOutForm),
    "/language": _form("Choose the language of the page", forms.LanguageForm),
    "/api/docs": read("A page to try the API", HTML),
    "/static/{name}": read("A file of the page", "*/*"),
    "/favicon.ico": read("The icon of the page", "image/svg+xml"),
}
