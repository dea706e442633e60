"""What forms of the page send, field by field."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_Number = Annotated[str, Field(pattern="^[0-9]{1,18}$")]


class ProcessForm(BaseModel):
    """How the Process switch is to stand."""

    process: Annotated[str, Field(description="on or off")]


class AlertForm(BaseModel):
    """Which alert somebody has seen to."""

    acknowledge: Annotated[str, Field(description="its name")]


class LanguageForm(BaseModel):
    """A language of the page."""

    language: Annotated[str, Field(description="en or cs")]
    to: Annotated[str, Field(description="the page to go back to")] = ""


class SignInForm(BaseModel):
    """A key."""

    key: str
    to: Annotated[str, Field(description="the page to go to")] = ""


class SignOutForm(BaseModel):
    """Nothing: the cookie says whose session it is."""


class SessionForm(BaseModel):
    """Which session is to end."""

    session: str


class InputsForm(BaseModel):
    """What operators set: a field `input.NAME` for each."""

    model_config = ConfigDict(extra="allow")

    revision: Annotated[str, Field(pattern="^[0-9]{1,12}$", description="the one that was seen")]
    defaults: Annotated[str, Field(description="if it is there, all go back to their defaults")] = ""


class ThresholdForm(BaseModel):
    """Where a line goes."""

    threshold: Annotated[str, Field(description="its key, as the page has it")]
    version: Annotated[str, Field(description="the version that was seen")]
    value: Annotated[str, Field(description="the number")] = ""
    back: Annotated[str, Field(description="if it is there, it goes back to what the project says")] = ""
    hours: Annotated[str, Field(description="what the page shows afterwards")] = ""


class DecideForm(BaseModel):
    """What somebody decides about a frame; as the body of /api/v1/frames/{frame_id}/decisions, a place in percent."""

    kind: Annotated[str, Field(description="confirmed, false_call, escape, label")]
    after: _Number
    query: Annotated[str, Field(description="what the list of frames was asked")] = ""
    label: str = ""
    new_label: str = ""
    note: str = ""
    x_percent: str = ""
    y_percent: str = ""
    width_percent: str = ""
    height_percent: str = ""


class UndoForm(BaseModel):
    """Which decision is taken back."""

    number: _Number
    after: _Number
    query: Annotated[str, Field(description="what the list of frames was asked")] = ""
