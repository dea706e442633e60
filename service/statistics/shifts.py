"""Which shift a moment belongs to: a calendar in local time, also on days of 23 and of 25 hours.

A shift begins at its time of the day and lasts until the next one begins. One that would begin in the hour that is left
out in spring begins with the hour after it; one whose hour comes twice in autumn begins at the first of the two.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from service.shift_settings import ShiftBegin, ShiftSettings

SECOND_NS = 1_000_000_000
_DAY = timedelta(days=1)
_QUARTER = timedelta(minutes=15)
_LOCAL_TIME = Path("/etc/localtime")
# of a clock that nobody has set; a day less than datetime has, so that the days around it exist
_FIRST_S, _LAST_S = 0, 250_000_000_000


class Shift(NamedTuple):
    """A shift from `begin_ns` on and before `end_ns`, UTC; `day` is the local day that it begins on."""

    begin_ns: int
    end_ns: int
    name: str
    day: date


def zone_of(settings: ShiftSettings) -> tzinfo:
    """Return the zone of the shifts: the setting, or the machine's."""
    return _zone(settings.time_zone, os.environ.get("TZ", ""))


def local_time(settings: ShiftSettings, at_ns: int) -> datetime:
    """Return a moment as clocks there show it, without what is less than a second."""
    return datetime.fromtimestamp(min(max(at_ns // SECOND_NS, _FIRST_S), _LAST_S), zone_of(settings))


def shift_at(settings: ShiftSettings, at_ns: int) -> Shift:
    """Return the shift that a moment belongs to."""
    day = local_time(settings, at_ns).date()
    around = _shifts_around(settings.shift_begins, zone_of(settings), day)
    at_ns = min(max(at_ns, _FIRST_S * SECOND_NS), _LAST_S * SECOND_NS)
    return around[max(0, bisect_right(around, at_ns, key=lambda shift: shift.begin_ns) - 1)]


def shifts_of(settings: ShiftSettings, day: date) -> list[Shift]:
    """Return the shifts that begin on a local day, in their order."""
    return [
        shift for shift in _shifts_around(settings.shift_begins, zone_of(settings), _in_reach(day)) if shift.day == day
    ]


def shift_before(settings: ShiftSettings, shift: Shift) -> Shift:
    """Return the one before it."""
    return shift_at(settings, shift.begin_ns - 1)


def day_bounds(settings: ShiftSettings, day: date) -> tuple[int, int]:
    """Return when a local day begins and ends, from midnight to midnight."""
    day, zone = _in_reach(day), zone_of(settings)
    return _instant_ns(day, 0, zone), _instant_ns(day + _DAY, 0, zone)


def _in_reach(day: date) -> date:
    """Keep away from the first and the last day that there are."""
    return min(max(day, date(1970, 1, 2)), date(9000, 1, 1))


@lru_cache(maxsize=64)
def _shifts_around(begins: tuple[ShiftBegin, ...], zone: tzinfo, day: date) -> list[Shift]:
    """Return those of a day, of the one before it and of the one after it."""
    found: list[tuple[int, str, date]] = []
    for offset in (-1, 0, 1, 2):
        that_day = day + offset * _DAY
        found += [(_instant_ns(that_day, begin.minute, zone), begin.name, that_day) for begin in begins]
    following = [at_ns for at_ns, _, _ in found[1:]]
    return [
        Shift(begin_ns, end_ns, name, its_day)
        for (begin_ns, name, its_day), end_ns in zip(found, following, strict=False)
        if begin_ns < end_ns  # one may lie in the hour that is left out as a whole
    ]


def _instant_ns(day: date, minute: int, zone: tzinfo) -> int:
    """Return when clocks show this time of a day first; of one that they leave out, what they show instead."""
    wall = datetime.combine(day, time(minute // 60, minute % 60), zone)
    while not _is_shown(wall):
        wall += _QUARTER
    return int(wall.timestamp()) * SECOND_NS


def _is_shown(wall: datetime) -> bool:
    return wall.astimezone(UTC).astimezone(wall.tzinfo).replace(tzinfo=None) == wall.replace(tzinfo=None)


@lru_cache(maxsize=8)
def _zone(name: str, of_environment: str) -> tzinfo:
    for known in (name, of_environment.lstrip(":")):
        try:
            if known:
                return ZoneInfo(known)
        except (ValueError, OSError, LookupError):
            continue  # TZ may be in another form, as CET-1CEST: then the machine's own counts
    key = os.path.realpath(_LOCAL_TIME).partition("/zoneinfo/")[2]
    try:
        with _LOCAL_TIME.open("rb") as file:
            return ZoneInfo.from_file(file, key or "local")
    except (ValueError, OSError):
        return UTC
