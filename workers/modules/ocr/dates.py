"""Dates as they are printed: a format is searched in a text, and what stands there becomes a day.

    "DD.MM.YY"  "EXP YYYY-MM-DD"  "MM/YYYY"  "DD MMM YYYY"  "YYDDD"

YYYY and YY are years, MM months as numbers, MMM as names, DD days, DDD days of the year, WW weeks. All else stands for
itself. Spaces do not count. Letters that look like digits count as these where a digit must be.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from workers.modules.ocr.confusable import Groups

LONGEST_FORMAT = 60

# English, German, French, as they are cut short on packages
_NAMES = (
    "JAN", "FEB FEV", "MAR MRZ MÄR", "APR AVR", "MAY MAI", "JUN", "JUL", "AUG AOU", "SEP", "OCT OKT", "NOV", "DEC DEZ",
)  # fmt: skip
_MONTHS: Mapping[str, int] = {name: month for month, names in enumerate(_NAMES, 1) for name in names.split()}
_PART = re.compile("YYYY|YY|MMM|MM|DDD|DD|WW")
_SPACES = r"\s*"
_LENGTHS = {"YYYY": 4, "YY": 2, "MM": 2, "DDD": 3, "DD": 2, "WW": 2}


class FoundDate(NamedTuple):
    """A date as ISO 8601 has it (without a day where none is printed), its last day, and the text put right."""

    iso: str
    last: date
    text: str


class DateMistake(Exception):
    """There is no such date in a text; the text says why."""


def checked_format(format_: str) -> str:
    """Return `format_`; raises ValueError where it names no day, no month and no week."""
    found = _PART.findall(format_)
    known = [part if part[0] in "DW" else part[0] for part in found]
    if len(set(known)) != len(known):
        msg = f"is {format_!r}, which has a part twice; expected each once, as in 'DD.MM.YYYY'"
        raise ValueError(msg)
    parts = {part[0] if part != "DDD" else "J" for part in found}
    if parts not in ({"Y", "M", "D"}, {"Y", "M"}, {"Y", "J"}, {"Y", "W"}):
        msg = f"is {format_!r}, expected a year (YYYY, YY) with a month (MM, MMM) and a day (DD), a month alone, "
        msg += "a day of the year (DDD) or a week (WW), such as 'DD.MM.YYYY'"
        raise ValueError(msg)
    return format_


class DateFormat:
    """A format, ready to be searched."""

    def __init__(self, format_: str, groups: Groups) -> None:
        self._format, self._groups = format_, groups
        self._parts: list[str] = []
        digit, pieces, at = groups.any_of("0123456789"), list[str](), 0
        for part in _PART.finditer(format_):
            pieces += self._letters(format_[at : part.start()])
            pieces.append(f"({self._names() if part[0] == 'MMM' else _SPACES.join([digit] * _LENGTHS[part[0]])})")
            self._parts.append(part[0])
            at = part.end()
        pieces += self._letters(format_[at:])
        self._pattern = re.compile(rf"(?<![0-9]){_SPACES.join(pieces)}(?![0-9])", re.IGNORECASE)

    def _letters(self, text: str) -> list[str]:
        return [self._groups.any_of(letter) for letter in text if not letter.isspace()]

    def _names(self) -> str:
        return "|".join(_SPACES.join(self._letters(name)) for name in _MONTHS)

    def find(self, text: str) -> FoundDate:
        """Return the first date in `text`; raises DateMistake."""
        wrong = f"there is no date as {self._format}"
        at = 0
        while match := self._pattern.search(text, at):
            at = match.start() + 1
            letters, values = list(text), dict[str, str]()
            for number, part in enumerate(self._parts, 1):
                places = [place for place in range(*match.span(number)) if not text[place].isspace()]
                values[part] = self._put_right(part, "".join(text[place] for place in places))
                for place, letter in zip(places, values[part], strict=True):
                    letters[place] = letter
            try:
                iso, last = _day(values)
            except ValueError:
                wrong = f"{match[0]!r} is no date as {self._format}"
                continue
            return FoundDate(iso, last, "".join(letters))
        raise DateMistake(wrong)

    def _put_right(self, part: str, found: str) -> str:
        if part != "MMM":
            return "".join(self._groups.one_of(letter, "0123456789") for letter in found)
        for name in _MONTHS:
            if self._groups.same(found.upper(), name):
                return name if found.upper() != name else found
        return found


def _day(values: Mapping[str, str]) -> tuple[str, date]:
    """Return a date as ISO 8601 has it, and its last day; raises ValueError where it is none."""
    year = int(values["YYYY"]) if "YYYY" in values else _near(int(values["YY"]))
    if "DDD" in values:
        number = int(values["DDD"])
        if not 1 <= number <= 365 + calendar.isleap(year):
            raise ValueError(number)
        day = date(year, 1, 1) + timedelta(days=number - 1)
        return day.isoformat(), day
    if "WW" in values:
        last = date.fromisocalendar(year, int(values["WW"]), 7)
        return f"{year:04}-W{values['WW']}", last
    month = _MONTHS[values["MMM"].upper()] if "MMM" in values else int(values["MM"])
    if "DD" in values:
        day = date(year, month, int(values["DD"]))
        return day.isoformat(), day
    iso = f"{year:04}-{month:02}"
    return iso, last_day(iso)


def last_day(iso: str) -> date:
    """Return the day that `iso` means, 2027-03-14, or the last one of a month, 2027-03; raises ValueError."""
    if re.fullmatch(r"\d{4}-\d\d", iso):
        year, month = int(iso[:4]), int(iso[5:])
        if not year or not 1 <= month <= 12:
            raise ValueError(iso)
        return date(year, month, calendar.monthrange(year, month)[1])
    return date.fromisoformat(iso)


def _near(two_digits: int) -> int:
    """Return the year that ends with these digits and is nearest to now."""
    this_year = datetime.now(UTC).year
    year = this_year // 100 * 100 + two_digits
    return year + (-100 if year - this_year > 50 else 100 if year - this_year < -49 else 0)
