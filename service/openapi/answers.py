"""The shapes of answers about frames, parts, and what operators set; tests hold real answers against them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel

from workers.flow.overrides import Override

_UNITS = ("_ms", "_s", "_ns")
_Verdict = Literal["OK", "NOK", "OFF", "ERROR"]


def _key(name: str) -> str:
    return name if name.endswith(_UNITS) else to_camel(name)


class Answer(BaseModel):
    """An object with these keys and no others; one that has a default may be left out."""

    model_config = ConfigDict(extra="forbid", alias_generator=_key)


class Problem(BaseModel):
    """An error, as RFC 9457 has it."""

    model_config = ConfigDict(alias_generator=_key)

    type: str
    title: str
    status: int
    detail: str
    code: Annotated[str, Field(description="which error it is, as one word")]
    request_id: Annotated[str, Field(description="by which the log has it")] = ""


class ProcessState(Answer):
    """How the Process switch stands."""

    process: bool


class ProcessWanted(BaseModel):
    """How it is to stand."""

    model_config = ConfigDict(extra="ignore", strict=True)

    process: bool


class Lives(Answer):
    """That a front answers."""

    live: Literal[True]


class Readiness(Answer):
    """Whether frames are inspected, and why not."""

    ready: bool
    reasons: list[str]


class Numbers(BaseModel):
    """The server in numbers; a version may have more of them."""

    model_config = ConfigDict(extra="allow", alias_generator=_key)

    version: str
    project: str
    flow_version: str
    process: bool
    stopping: bool
    uptime_s: float
    workers: dict[str, int]
    frames: dict[str, Any]
    history: dict[str, Any]
    parts: dict[str, int]


class Changed(Answer):
    """A change is made."""

    flow_version: str
    before: str


class Reloaded(Changed):
    """The project is loaded."""

    reload: Literal["done"]


class RolledBack(Changed):
    """The version before runs."""

    rollback: Literal["done"]


class ReloadAskedFor(Answer):
    """It is not known yet what became of it."""

    reload: Literal["asked for"]


class RollbackAskedFor(Answer):
    """It is not known yet what became of it."""

    rollback: Literal["asked for"]


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


class PartOfViews(Answer):
    """The part that a frame is a view of."""

    verdict: str
    begin: str
    end: str
    views: list[ViewOf]


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


class InputValue(BaseModel):
    """One input; the more there is, the more its kind has."""

    model_config = ConfigDict(extra="allow", alias_generator=_key)

    name: str
    kind: Literal["text", "number", "select", "switch"]
    label: str
    default: str | float | bool | None
    value: str | float | bool | None
    is_set: bool
    revision: int


class WhoWhen(Answer):
    """Who changed something last."""

    who: str
    time: str


class Inputs(Answer):
    """What operators can set, and have set."""

    revision: int
    flow_version: str
    inputs: list[InputValue]
    last_change: WhoWhen | None
    trouble: str | None


class Threshold(Answer):
    """One threshold."""

    module: int
    name: str
    kind: str
    option: str
    description: str | None
    value: float
    own: Annotated[float, Field(description="what the project says")]
    min: float | None
    max: float | None
    is_changed: bool
    is_of_score: bool


class Thresholds(Answer):
    """All of them."""

    flow_version: str
    thresholds: list[Threshold]
    overrides: list[Override]


class Overridden(Changed):
    """The version with the change runs."""

    overrides: Literal["done"]


class OverridesOutcome(RootModel[Overridden | Thresholds]):
    """What runs now; all thresholds where nothing was to be changed."""


class OverridesAskedFor(Answer):
    """It is not known yet what became of it."""

    overrides: Literal["asked for"]


class Acknowledgement(Answer):
    """Who has seen to an alert."""

    time: str
    who: str
    address: str


class Alert(Answer):
    """How an alert stands; one that is over and known no more has its name alone."""

    name: str
    active: bool
    held: Annotated[bool, Field(description="it holds the line")]
    when: str | None = None
    hold: Annotated[bool, Field(description="it holds the line when it is on")] = False
    text: Annotated[str, Field(description="why it is on, or was")] = ""
    values: dict[str, Any] | None = None
    since: str | None = None
    ended: str | None = None
    times: int = 0
    held_since: str | None = None
    acknowledged: Acknowledgement | None = None
    open: Annotated[bool, Field(description="somebody should see to it")] = False


class Alerts(Answer):
    """Those that are on or hold the line come first."""

    held: Annotated[str | None, Field(description="the alert that holds the line")]
    alerts: list[Alert]
    webhook: dict[str, Any] | None
