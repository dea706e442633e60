"""Which time statistics are asked of, as a query of an address has it: a shift, a day, or from when to when."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.frames.sought import Text, Time
from service.history.schema.times import QUARTER_NS, time_of
from service.statistics.shifts import (
    SECOND_NS,
    Shift,
    day_bounds,
    local_time,
    shift_at,
    shift_before,
    shifts_of,
    zone_of,
)
from workers.errors import InvalidParameter

if TYPE_CHECKING:
    from service.shift_settings import ShiftSettings

Period = Literal["shift", "last_shift", "today", "yesterday", "7d", "30d", "90d"]
_DAYS = {"7d": 7, "30d": 30, "90d": 90}
_MOST_DAYS = 4000
_LAST_NS = (1 << 63) - 1  # what a time in the history can be


def _none_where_empty(value: Any) -> Any:
    return value or None


class Wanted(NamedTuple):
    """The frames of a time, from a quarter's beginning to another's end; of one camera or server, or of all."""

    since_ns: int
    until_ns: int
    now_ns: int
    camera: str | None = None
    server: str | None = None
    label: str | None = None
    shift: Shift | None = None

    @property
    def span_ns(self) -> int:
        """How long it is."""
        return self.until_ns - self.since_ns


class StatisticsQuery(BaseModel):
    """`period`, or `day` and perhaps one of its `shift`s, or `since` and `until`; the present shift where none is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    period: Annotated[
        Period | None, BeforeValidator(_none_where_empty), Field(description="a time that moves on with the clock")
    ] = None
    day: Annotated[date | None, BeforeValidator(_none_where_empty), Field(description="a local day, as 2026-11-27")] = (
        None
    )
    shift: Annotated[Text, Field(description="with day: the name of a shift that begins on it")] = None
    since: Annotated[Time, Field(description="what came then or later: 2026-11-28T14:00, or 8h ago")] = None
    until: Annotated[Time, Field(description="what came before")] = None
    camera: Annotated[Text, Field(description="the camera's name")] = None
    server: Annotated[Text, Field(description="the server's name, where several write one history")] = None
    label: Annotated[Text, Field(description="places and counts over time of this label")] = None

    def wanted(self, settings: ShiftSettings, now_ns: int) -> Wanted:
        """Return what is asked for, in whole quarters; raises InvalidParameter."""
        shift: Shift | None = None
        if self.since or self.until:
            self._refuse("since and until", self.period, self.day, self.shift)
            until_ns = _moment(self.until, settings, now_ns) if self.until else now_ns
            since_ns = _moment(self.since, settings, now_ns) if self.since else until_ns - 8 * 3600 * SECOND_NS
        elif self.day:
            self._refuse("day", self.period)
            since_ns, until_ns, shift = self._of_day(settings, self.day)
        elif self.shift:
            raise InvalidParameter(f"shift={self.shift[:60]!r} is of a day, which is missing")
        else:
            since_ns, until_ns, shift = _of_period(self.period or "shift", settings, now_ns)
        since_ns -= since_ns % QUARTER_NS
        until_ns += -until_ns % QUARTER_NS
        if not 0 <= since_ns < until_ns:
            raise InvalidParameter("a time that ends behind its beginning was expected")
        if until_ns > _LAST_NS:
            raise InvalidParameter("a time before 2262 was expected")
        if until_ns - since_ns > _MOST_DAYS * 86_400 * SECOND_NS:
            raise InvalidParameter(f"a time of at most {_MOST_DAYS} days was expected")
        return Wanted(since_ns, until_ns, now_ns, self.camera, self.server, self.label, shift)

    def _of_day(self, settings: ShiftSettings, day: date) -> tuple[int, int, Shift | None]:
        if self.shift is None:
            return *day_bounds(settings, day), None
        of_day = shifts_of(settings, day)
        for shift in of_day:
            if shift.name == self.shift:
                return shift.begin_ns, shift.end_ns, shift
        names = ", ".join(shift.name for shift in of_day)
        raise InvalidParameter(f"shift={self.shift[:60]!r} does not begin on {day}; expected one of {names}")

    @staticmethod
    def _refuse(asked: str, *others: object) -> None:
        if any(others):
            raise InvalidParameter(f"{asked} says a time, and so does another parameter: one of them was expected")


def _of_period(period: Period, settings: ShiftSettings, now_ns: int) -> tuple[int, int, Shift | None]:
    if period in {"shift", "last_shift"}:
        shift = shift_at(settings, now_ns)
        shift = shift_before(settings, shift) if period == "last_shift" else shift
        return shift.begin_ns, shift.end_ns, shift
    today = local_time(settings, now_ns).date()
    if period in {"today", "yesterday"}:
        return *day_bounds(settings, today - timedelta(days=period == "yesterday")), None
    first = today - timedelta(days=_DAYS[period] - 1)
    return day_bounds(settings, first)[0], day_bounds(settings, today)[1], None


def _moment(text: str, settings: ShiftSettings, now_ns: int) -> int:
    """Return a moment; one that names no zone is of the shifts' zone."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return time_of(text, now_ns)
    if at.tzinfo is not None:
        return time_of(text, now_ns)
    return time_of(at.replace(tzinfo=zone_of(settings)).isoformat(), now_ns)
