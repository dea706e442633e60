"""Languages of the page: all words of one are in one file of the folder `words`."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

if TYPE_CHECKING:
    import falcon

COOKIE = "framemill_language"
_ORDER = ("en", "cs")  # the first is for who asks for none of them
_ACCEPTED = re.compile(r"([A-Za-z]{1,8})[A-Za-z0-9-]*\s*(?:;\s*q=([01](?:\.[0-9]{1,3})?))?\s*(?:,|$)")
_MOST_ACCEPT_CHARS = 500
_JUST_NOW_S = 10
_AGES = ((86_400, "frame.days_ago"), (3600, "frame.hours_ago"), (60, "frame.minutes_ago"), (1, "frame.seconds_ago"))


class Language:
    """Says words by their keys, such as `frame.sign_in`, and writes numbers and times as people do."""

    def __init__(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        self.words = {f"{table}.{key}": words for table, entries in tables.items() for key, words in entries.items()}
        self.code: str = self.words["language.code"]
        self.name: str = self.words["language.name"]

    def say(self, key: str, **values: Any) -> str:
        """Return the words behind a key, with values in them; `n` decides between forms. Raises KeyError."""
        words = self.words[key]
        if isinstance(words, dict):
            words = words[self._form(values["n"], words)]
        return str(words.format(**{name: self._shown(value) for name, value in values.items()}))

    def has(self, key: str) -> bool:
        """Whether there are such words."""
        return key in self.words

    def number(self, value: float, digits: int = 0) -> str:
        """Write a number with so many digits behind the point."""
        plain = f"{value:,.{digits}f}"
        marks = {",": self.words["language.thousands"], ".": self.words["language.decimal"]}
        return "".join(marks.get(char, char) for char in plain)

    def value(self, value: Any, most_digits: int = 0) -> str:
        """Write what was set or measured with the digits that it has, or so many; what is no number stays as it is."""
        if not isinstance(value, float):
            return str(value)
        written = f"{value:.{most_digits}g}" if most_digits else str(value)
        return written.replace(".", self.words["language.decimal"])

    def percent(self, share: float, digits: int = 1) -> str:
        """Write a share of 1 in percent."""
        return f"{self.number(100 * share, digits)}\u00a0%"

    def moment(self, at_ns: int, *, with_date: bool = True) -> Markup:
        """Write a time of CLOCK_REALTIME in the server's time zone; pointing at it shows UTC."""
        try:
            utc = datetime.fromtimestamp(at_ns / 1e9, UTC)
            here = utc.astimezone()
        except (OverflowError, ValueError, OSError):
            return Markup("-")  # of a clock that nobody has set
        shown = here.strftime(self.words["language.clock"])
        if with_date:
            shown = f"{here.strftime(self.words['language.date'])} {shown}"
        exact = self.say("frame.utc", time=utc.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3])
        return Markup('<time datetime="{}" title="{}">{}</time>').format(utc.isoformat(), exact, shown)

    def duration(self, seconds: float) -> str:
        """Write how long something takes: days, hours and minutes."""
        minutes = int(seconds // 60)
        days, hours = minutes // 1440, minutes // 60
        found = [self.say("frame.d", n=days)] if days else []
        found += [self.say("frame.h", n=hours % 24)] if hours else []
        return " ".join([*found, self.say("frame.min", n=minutes % 60)])

    def age(self, seconds: float) -> str:
        """Say in words how long ago something was: the largest whole unit is enough."""
        for unit_s, key in _AGES:
            count = int(seconds // unit_s)
            if count > 0 and seconds >= _JUST_NOW_S:
                return self.say(key, n=count)
        return self.say("frame.just_now")

    def _form(self, n: float, words: Mapping[str, str]) -> str:
        if n == 1:
            return "one"
        return "few" if "few" in words and n in {2, 3, 4} else "other"

    def _shown(self, value: Any) -> str:
        return self.number(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def all_languages() -> dict[str, Language]:
    """Read all, by their codes."""
    folder = files("service.panel").joinpath("words")
    found = (tomllib.loads(folder.joinpath(f"{code}.toml").read_text("utf-8")) for code in _ORDER)
    return {language.code: language for language in map(Language, found)}


def chosen_language(req: falcon.Request, languages: Mapping[str, Language]) -> Language:
    """Return the one that was switched to, else the one that the browser asks for, else the first."""
    for code in (*(req.get_cookie_values(COOKIE) or ()), *_accepted(req.get_header("Accept-Language") or "")):
        if code in languages:
            return languages[code]
    return languages[_ORDER[0]]


def _accepted(header: str) -> Iterable[str]:
    found = [(float(q or 1), code.lower()) for code, q in _ACCEPTED.findall(header[:_MOST_ACCEPT_CHARS])]
    return [code for q, code in sorted(found, key=lambda one: -one[0]) if q]
