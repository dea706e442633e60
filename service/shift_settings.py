"""Settings of the calendar of shifts: when each begins, and in which time zone."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator

from workers.settings import PoolSettings, split_names

_BEGINS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s+(\S.{0,39})")
_QUARTER_MIN = 15  # sums are kept over quarters of an hour


class ShiftBegin(NamedTuple):
    """When a shift begins each day, in minutes since midnight, and what people call it."""

    minute: int
    name: str


class ShiftSettings(PoolSettings):
    """When shifts begin."""

    shifts: Annotated[
        tuple[str, ...],
        BeforeValidator(split_names, json_schema_input_type=tuple[str, ...] | str),
        Field(
            min_length=1,
            max_length=24,
            description="when each shift begins, and its name: each lasts until the next one begins",
        ),
    ] = ("06:00 early", "14:00 late", "22:00 night")
    time_zone: Annotated[
        str, Field(max_length=100, description="zone of the shifts, as Europe/Prague; empty: the machine's")
    ] = ""

    @cached_property
    def shift_begins(self) -> tuple[ShiftBegin, ...]:
        """The shifts of a day, from midnight on."""
        return tuple(sorted(_begin_of(text) for text in self.shifts))

    @field_validator("shifts")
    @classmethod
    def _each_begins_once(cls, shifts: tuple[str, ...]) -> tuple[str, ...]:
        begins = sorted(_begin_of(text) for text in shifts)
        for one, other in pairwise(begins):
            if one.minute == other.minute:
                raise ValueError(f"{one.name!r} and {other.name!r} begin at the same time")
        return shifts

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            if name:
                ZoneInfo(name)
        except (ValueError, OSError, LookupError):
            raise ValueError(
                f"a zone that this machine knows was expected, as Europe/Prague, got {name!r}; they are in the "
                "system's package tzdata"
            ) from None
        return name


def _begin_of(text: str) -> ShiftBegin:
    found = _BEGINS.fullmatch(text.strip())
    if found is None or not found[3].isprintable():
        raise ValueError(f'a time and a name were expected, as "06:00 early", got {text[:60]!r}')
    minute = 60 * int(found[1]) + int(found[2])
    if minute % _QUARTER_MIN:
        raise ValueError(f"a shift begins at a quarter of an hour, as sums are kept, got {text!r}")
    return ShiftBegin(minute, found[3])
