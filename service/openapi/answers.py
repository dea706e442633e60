"""The shapes of answers about the server, alerts, and what operators set; tests hold real answers against them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel

from workers.flow.overrides import Override

_UNITS = ("_ms", "_s", "_ns")


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
