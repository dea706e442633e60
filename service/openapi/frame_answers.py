"""The shapes of answers about frames, what was decided about them, and parts; tests hold real answers against them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from service.openapi.answers import Answer

_Verdict = Literal["OK", "NOK", "OFF", "ERROR"]


class Measured(Answer):
    """A number that the flow measured, and what it may be."""

    value: float | None
    unit: str | None
    min: float | None
    max: float | None
    ok: bool | None


class Picture(Answer):
    """Whether the picture is kept, and where in the folder of the history."""

    kept: bool
    why: str | None
    bytes: int | None
    file: str = ""
    lost: str = ""
    media_type: str | None
    width: int | None
    height: int | None
    pixel_format: str | None


class FailedWith(Answer):
    """Why a frame has no verdict."""

    code: str
    message: str | None


class Held(Answer):
    """What people say of a frame, in short."""

    kind: str
    truth: bool | None


class _Frame(Answer):
    kind: Literal["frame"]
    id: str
    time: str
    server: Annotated[str, Field(description="which server wrote it, by its setting server_name")]
    client: str
    camera: str
    part: str | None
    view: str | None
    data: str
    request_id: str | None
    flow_version: str
    input_revision: int | None
    status: int
    verdict: _Verdict | None
    held: Annotated[str | None, Field(description="the alert that held the line: NOK is not what the machine said")]
    score: float | None
    labels: list[str]
    measures: dict[str, Measured]
    frame_bytes: int
    timings: Annotated[dict[str, float], Field(description="in milliseconds")]
    picture: Picture | None
    error: FailedWith | None = None
    context_left_out_bytes: int = 0


class FrameInShort(_Frame):
    """A frame of a page."""

    decided: Held | None


class Frames(Answer):
    """A page of frames, newest first."""

    frames: list[FrameInShort]
    next: Annotated[str | None, Field(description="the cursor of the page behind")]
    is_cut: Annotated[bool, Field(description="it was not looked further: there may be more")]


class Place(Answer):
    """Where something lies: all of the picture's width or height is 1."""

    x: float | None
    y: float | None
    width: float | None
    height: float | None


class LabelledPlace(Place):
    """Where the machine found something."""

    label: str


class Decision(Answer):
    """What somebody decided."""

    number: int
    time: str
    who: str
    kind: Literal["confirmed", "false_call", "escape", "label", "undo"]
    label: str | None
    new_label: str | None
    place: Place | None
    note: str | None
    undoes: int | None
    undone: bool


class OfMachine(Answer):
    """What the machine said."""

    verdict: str | None
    labels: list[str]


class Holding(Answer):
    """What holds of what people said."""

    kind: str
    decision: int
    truth: bool | str | None
    labels: list[str]


class Decided(Answer):
    """What was decided about a frame, beside what the machine said."""

    machine: OfMachine
    holds: Holding | None
    last: Annotated[int, Field(description="what `after` of the next decision is")]
    decisions: list[Decision]


class DecisionsOf(Decided):
    """What was decided about this frame."""

    frame: str


class ViewOf(Answer):
    """A view of a part; no frame where it is missing."""

    view: str
    verdict: str | None
    frame: str | None


class ViewSeen(ViewOf):
    """A view of a part, with what its frame says of a line that was held."""

    held: Annotated[str | None, Field(description="the alert that held the line: NOK is not what the machine said")]


class PartOfViews(Answer):
    """The part that a frame is a view of."""

    verdict: str
    begin: str
    end: str
    views: list[ViewSeen]


class FrameInFull(_Frame):
    """All that is known of a frame."""

    context: Annotated[Any, Field(description="what the flow answered; not there where it is not kept")] = None
    places: list[LabelledPlace]
    decisions: Decided
    part_of_views: PartOfViews | None


class PartAnswer(Answer):
    """A part, as long as it is open and when it has ended."""

    state: Literal["open", "ended"]
    kind: Literal["part"]
    id: str = ""
    time: str
    part: str
    flow_version: str
    verdict: str | None
    result: bool | None
    why: str | None
    took_ms: float
    views: list[ViewOf]
    left_ms: Annotated[float, Field(description="of one that is open: until it is judged as it is")] = 0
