"""What a text that was read is worth: what it says where its letters are put right, its date, and what does not fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from workers.modules.ocr.confusable import ALIKE, Groups
from workers.modules.ocr.dates import DateFormat, DateMistake, last_day
from workers.modules.ocr.filled import NothingThere, Template
from workers.modules.ocr.options import TODAY
from workers.modules.pattern import fits

if TYPE_CHECKING:
    from workers.context.run import LookAtTime
    from workers.modules.ocr.options import TextOptions


@dataclass(frozen=True, slots=True)
class Judged:
    """A text as it counts, its date (ISO 8601) and in how many days that is; what does not fit, nothing if all does."""

    text: str
    date: str | None = None
    days: int | None = None
    why: str = ""


class Judge:
    """What a project expects of one text."""

    def __init__(self, options: TextOptions) -> None:
        self._options = options
        self._groups = Groups(ALIKE if options.confusable is None else options.confusable)
        self._pattern = re.compile(options.pattern) if options.pattern is not None else None
        self._date = DateFormat(options.date, self._groups) if options.date is not None else None
        self._equals = Template(options.equals) if options.equals is not None else None
        self._since = Template(options.days_from)

    def judge(self, raw: str, confidence: float, context: Mapping[str, Any], look_at_time: LookAtTime) -> Judged:
        """Judge a text that was read so surely; `look_at_time` is called between what may take long."""
        options = self._options
        if not raw:
            return Judged("", why="nothing was read" if options.judges else "")
        text, whys = raw, []
        if confidence < options.min_confidence:
            whys.append(f"its least sure character is {confidence:.2f} sure, expected {options.min_confidence:g}")
        if self._equals is not None:
            text, why = self._equal(text, self._equals, context)
            whys.append(why)
        iso, days = None, None
        if self._date is not None:
            try:
                found = self._date.find(text)
                text, iso = found.text, found.iso
                days, why = self._days(found.last, context)
                whys.append(why)
            except DateMistake as mistake:
                whys.append(str(mistake))
        if self._pattern is not None:
            pattern = self._pattern

            def is_right(tried: str) -> bool:
                look_at_time()
                return fits(pattern, tried) or fits(pattern, _squeezed(tried))

            right = self._groups.put_right(text, is_right)
            text = text if right is None else right
            whys.append("does not fit the pattern" if right is None else "")
        return Judged(text, iso, days, next(filter(None, whys), ""))

    def _equal(self, text: str, expected: Template, context: Mapping[str, Any]) -> tuple[str, str]:
        """Return `text` with its letters put right, and why it is not what is expected."""
        try:
            wanted = expected.filled(context)
        except NothingThere as nothing:
            return text, str(nothing)
        if self._groups.same(_squeezed(text), _squeezed(wanted)):
            return _with_letters(text, _squeezed(wanted)), ""
        return text, f"expected {wanted!r}"

    def _days(self, last: date, context: Mapping[str, Any]) -> tuple[int | None, str]:
        """Return in how many days from where they are counted the last day of a date is, and why that does not fit."""
        options = self._options
        limited = options.days_min is not None or options.days_max is not None
        try:
            since = self._since.filled(context)
            begin = _today() if since == TODAY else last_day(since)
        except NothingThere as nothing:
            return None, str(nothing) if limited else ""
        except ValueError:
            wrong = f"days are counted from {since!r}, expected a date as YYYY-MM-DD"
            return None, wrong if limited else ""
        days = (last - begin).days
        if options.days_min is not None and days < options.days_min:
            return days, f"{last} is {days} days from {begin}, expected at least {options.days_min}"
        if options.days_max is not None and days > options.days_max:
            return days, f"{last} is {days} days from {begin}, expected at most {options.days_max}"
        return days, ""


def _today() -> date:
    return datetime.now().astimezone().date()  # as people at the line have it


def _squeezed(text: str) -> str:
    return "".join(text.split())


def _with_letters(text: str, letters: str) -> str:
    """Return `text` with its letters exchanged for these, its spaces kept."""
    following = iter(letters)
    return "".join(letter if letter.isspace() else next(following) for letter in text)
