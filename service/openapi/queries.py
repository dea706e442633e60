"""What may stand in queries that are read by hand, because frames come there or a link of a page does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

_Flag = Literal["", "1", "true", "yes", "on", "0", "false", "no", "off"]
_Size = Annotated[int, Field(ge=1, le=65_535)]


class Asked(BaseModel):
    """What is asked of a frame, and said with it."""

    response_type: Annotated[
        Literal["context", "image", "annotated_image", "heatmap"], Field(description="what the answer holds")
    ] = "context"
    context_in_body: Annotated[_Flag, Field(description="the context stands behind the picture, not in a header")] = "0"
    data: Annotated[str, Field(max_length=4096, description="free text for the flow: context['data']")] = ""
    camera: Annotated[str, Field(max_length=200, description="which camera sent the frame")] = ""
    part: Annotated[str, Field(max_length=200, description="which part it shows")] = ""
    view: Annotated[str, Field(max_length=64, description="which view of the part it is")] = ""
    deadline_ms: Annotated[int, Field(ge=1, le=9_999_999, description="after which the answer is of no use")] = 60_000


class AskedRaw(Asked):
    """What is said of a raw frame, too."""

    width: Annotated[_Size, Field(description="in pixels")]
    height: Annotated[_Size, Field(description="in pixels")]
    bayer: Annotated[str, Field(max_length=32, description="whether it is BayerRG8, or the name of its format")] = "0"
    pixel_format: Annotated[
        str | None, Field(max_length=32, description="a name of the Pixel Format Naming Convention")
    ] = None


class AskedSegment(AskedRaw):
    """Which shared memory it is in, too."""

    name: Annotated[str, Field(max_length=255, description="of the shared memory")]


class Patience(BaseModel):
    """How long somebody waits for a change."""

    wait_s: Annotated[int, Field(ge=0, le=999, description="how long the outcome is waited for; 0 is not at all")] = 0


class ReloadQuery(Patience):
    """How a project is loaded anew."""

    accept: Annotated[_Flag, Field(description="the version is taken whatever its proof says")] = "0"


class PartQuery(BaseModel):
    """How long a part is waited for; one of both."""

    wait_s: Annotated[int, Field(ge=0, le=60, description="how long it is waited for, in whole seconds")] = 0
    wait_ms: Annotated[int, Field(ge=0, le=60_000, description="how long, in milliseconds; instead of wait_s")] = 0


class EventsQuery(BaseModel):
    """What is in an event."""

    context: Annotated[_Flag, Field(description="each event has the frame's context")] = "0"


class StopQuery(BaseModel):
    """Who stops the server."""

    key: Annotated[str, Field(max_length=4096, description="the stop key")]


class ShownPicture(BaseModel):
    """Which picture the page Live shows."""

    frame: Annotated[str, Field(description="the number of the frame that the page shows; else the newest")] = ""


class SignInQuery(BaseModel):
    """Where a browser goes."""

    to: Annotated[str, Field(description="the page to show afterwards, below the server's root")] = ""


class LogQuery(BaseModel):
    """Which changes the log shows."""

    before: Annotated[str, Field(pattern="^[0-9]{0,19}$", description="those before this one, as a link says")] = ""


class InputsPageQuery(BaseModel):
    """What the page Inputs says."""

    set: Annotated[str, Field(description="that something was set")] = ""


class InputsSinceQuery(BaseModel):
    """What a form has seen."""

    revision: Annotated[str, Field(pattern="^[0-9]{1,12}$", description="the revision that the form came with")]


class ThresholdQuery(BaseModel):
    """What the page Threshold looks at."""

    threshold: Annotated[str, Field(description="which threshold; else the first that scores are compared with")] = ""
    hours: Annotated[str, Field(description="scores of how long: one of those that the page offers")] = ""
    line: Annotated[str, Field(description="where the line was moved to, a number")] = ""


class ThresholdPageQuery(ThresholdQuery):
    """What it looks at, and what it says."""

    applied: Annotated[str, Field(description="the version that a change has made")] = ""
