"""Deciding on the page: plain forms, each with the number of the last decision that was seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from service.access.keyring import Scope
from service.access.route import Route
from service.decisions.models import NewDecision, UndoModel
from service.frames.sought import Sought
from service.intake.checked import checked
from service.own_errors import CannotDecide, DecidedMeanwhile
from service.panel.forms import form_of
from service.panel.pages import go_to
from service.panel.parts.frame_page import FramePage, GoldenResource, neighbours_of
from service.panel.parts.list_page import PartsPage
from workers.errors import InvalidParameter

if TYPE_CHECKING:
    import falcon

    from service.decisions.resource import DecisionsDesk
    from service.history.stored import Stored
    from service.panel.pages import Pages
    from service.panel.parts.golden import Golden

_SIDES = ("x", "y", "width", "height")
_MOST_DIGITS = 18


class DecideForm:
    """`POST /parts/{frame_id}/decide`."""

    def __init__(self, stored: Stored, desk: DecisionsDesk, page: FramePage) -> None:
        self._stored = stored
        self._desk = desk
        self._page = page

    def on_post(self, req: falcon.Request, resp: falcon.Response, frame_id: str) -> None:
        """Decide, and go on: to the next frame where those are looked through that nobody has decided."""
        form = form_of(req)
        sought = _sought(form)
        try:
            self._desk.decide(req, frame_id, checked(_said(form), NewDecision))
        except (CannotDecide, DecidedMeanwhile) as error:
            self._page.show(req, resp, frame_id, sought, _trouble(error))
            return
        go_to(resp, req, self._next(frame_id, sought))

    def _next(self, frame_id: str, sought: Sought) -> str:
        query = f"?{sought.query}" if sought.query else ""
        if sought.decided != "no":
            return f"parts/{frame_id}{query}"
        from service.history.frame_id import row_of  # noqa: PLC0415 - see list_page.py

        with self._stored.read() as connection:
            following = neighbours_of(connection, row_of(connection, frame_id), sought)
        next_one = following.older or following.newer
        return f"parts/{next_one}{query}" if next_one else f"parts{query}"


class UndoForm:
    """`POST /parts/{frame_id}/undo`."""

    def __init__(self, desk: DecisionsDesk, page: FramePage) -> None:
        self._desk = desk
        self._page = page

    def on_post(self, req: falcon.Request, resp: falcon.Response, frame_id: str) -> None:
        """Take a decision back, and show the frame."""
        form = form_of(req)
        sought = _sought(form)
        wanted = checked({"after": _whole(form, "after")}, UndoModel)
        try:
            self._desk.undo(req, frame_id, form.get("number", ""), wanted)
        except (CannotDecide, DecidedMeanwhile) as error:
            self._page.show(req, resp, frame_id, sought, _trouble(error))
            return
        query = f"?{sought.query}" if sought.query else ""
        go_to(resp, req, f"parts/{frame_id}{query}")


def part_pages(pages: Pages, stored: Stored, desk: DecisionsDesk, golden: Golden) -> Iterator[Route]:
    """Yield the routes of the page Parts."""
    page = FramePage(pages, stored, golden)
    yield Route("/parts", PartsPage(pages, stored), for_page=True)
    yield Route("/parts/{frame_id}", page, for_page=True)
    yield Route("/parts/{frame_id}/golden", GoldenResource(stored, golden), for_page=True)
    yield Route("/parts/{frame_id}/decide", DecideForm(stored, desk, page), changes=Scope.OPERATE, for_page=True)
    yield Route("/parts/{frame_id}/undo", UndoForm(desk, page), changes=Scope.OPERATE, for_page=True)


def _trouble(error: Exception) -> str:
    return "meanwhile" if isinstance(error, DecidedMeanwhile) else "cannot"


def _sought(form: Mapping[str, str]) -> Sought:
    """What somebody looks through, as a form of the page has brought it along."""
    return checked(dict(parse_qsl(form.get("query", ""))), Sought)


def _said(form: Mapping[str, str]) -> dict[str, Any]:
    """What a form says, as the API has it; raises InvalidParameter."""
    said: dict[str, Any] = {"kind": form.get("kind", ""), "after": _whole(form, "after")}
    for name, key in (("label", "label"), ("new_label", "newLabel"), ("note", "note")):
        if text := form.get(name, "").strip():
            said[key] = form[name] if name == "label" else text
    percents = [form.get(f"{side}_percent", "").strip().replace(",", ".") for side in _SIDES]
    if any(percents):
        said["place"] = dict(zip(_SIDES, map(_share, percents), strict=True))
    return said


def _share(percent: str) -> float:
    try:
        return float(percent) / 100
    except ValueError:
        raise InvalidParameter("a place was expected as four numbers in percent: x, y, width, height") from None


def _whole(form: Mapping[str, str], name: str) -> int:
    text = form.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise InvalidParameter(f"{name}={text[:40]!r} is no number of a decision")
    return int(text)
