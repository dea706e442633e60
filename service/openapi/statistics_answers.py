"""The shapes of answers about a time and about shifts."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from service.openapi.answers import Answer


class ShiftName(Answer):
    """A shift, without its bounds."""

    day: str
    name: str


class ShiftTime(ShiftName):
    """A shift."""

    begin: str
    end: str


class Shifts(Answer):
    """The shifts of some days."""

    time_zone: str
    now: ShiftName
    shifts: list[ShiftTime]


class Counts(Answer):
    """Frames by what became of them."""

    frames: int
    ok: int
    nok: int
    error: int
    off: int
    held: Annotated[int, Field(description="NOK because the line was held: in no other number, and in no yield")]
    refused: int
    ok_share: Annotated[float | None, Field(alias="yield", description="OK of all that were inspected")]


class AllCounts(Counts):
    """Those of the whole time."""

    yield_at_least: Annotated[float | None, Field(description="if nothing that is not known was OK")]
    yield_decided: Annotated[float | None, Field(description="with what people have decided")]


class Bin(Counts):
    """Those of a piece of the time."""

    time: str
    until: str
    unknown: bool
    unknown_frames: int | None
    label: Annotated[int, Field(description="frames with the label that was asked for")] = 0


class OfCamera(Counts):
    """Those of a camera."""

    camera: str


class OfServer(Counts):
    """Those of a server."""

    server: str


class OfShift(Counts, ShiftTime):
    """Those of a shift."""


class UnknownInterval(Answer):
    """From when to when not all is known."""

    time: str
    until: str
    why: str
    frames: int | None


class Unknown(Answer):
    """What is not known: its frames are in no sum."""

    intervals: int
    duration_ms: float
    frames_at_least: int
    frames_are_counted: bool
    last: list[UnknownInterval]


class _Cell(Answer):
    column: int
    row: int


class FoundCell(_Cell):
    """How much the machine found there."""

    count: int


class DecidedCell(_Cell):
    """What people decided of what was found there."""

    confirmed: int
    false_calls: int
    escapes: int


class FoundPlaces(Answer):
    """A picture in cells."""

    columns: int
    rows: int
    cells: list[FoundCell]


class DecidedPlaces(Answer):
    """A picture in cells."""

    columns: int
    rows: int
    cells: list[DecidedCell]


class Rates(Answer):
    """What people decided."""

    confirmed: int
    false_calls: int
    escapes: int
    undecided_nok: int
    false_call_share: float | None
    escape_share: float | None
    places: DecidedPlaces


class Labelled(Answer):
    """Frames with a label."""

    label: str
    frames: int
    nok: int
    share: float | None
    confirmed: int = 0
    false_calls: int = 0
    escapes: int = 0
    false_call_share: float | None = None


class Measure(Answer):
    """A number that the flow measures."""

    camera: str
    name: str
    unit: str | None
    count: int
    mean: float | None
    sigma: float | None
    least: float | None
    most: float | None
    failed: int
    min: float | None
    max: float | None
    cp: float | None
    cpk: float | None


class TookBin(Answer):
    """Frames that took about as long."""

    from_ms: float
    until_ms: float
    frames: int


class Latency(Answer):
    """How long frames took."""

    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p999_ms: float | None
    mean_ms: float | None
    bins: list[TookBin]


class Statistics(Answer):
    """All that is known of a time."""

    since: str
    until: str
    now: str
    shift: ShiftTime | None
    time_zone: str
    counts: AllCounts
    unknown: Unknown
    decided: Rates | None
    bins: list[Bin]
    cameras: list[OfCamera]
    servers: list[OfServer]
    shifts: list[OfShift]
    labels: list[Labelled]
    places: FoundPlaces
    measures: list[Measure]
    latency: Latency
