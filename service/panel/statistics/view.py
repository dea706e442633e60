"""What the page shows of what is known of a time: words and drawings, ready for its template."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from service.decisions.rates import COLUMNS, ROWS
from service.history.schema.quarter_tables import CELLS
from service.panel.statistics.drawings import (
    HEAT_HEIGHT,
    bar_share,
    frames_drawing,
    heat_cells,
    latency_drawing,
    measure_drawing,
    yield_drawing,
)
from service.statistics import latency
from service.statistics.shifts import SECOND_NS, local_time

if TYPE_CHECKING:
    from service.panel.languages import Language
    from service.settings import Settings
    from service.statistics.counts import Bin, Counts
    from service.statistics.found import Found
    from service.statistics.latency import Took
    from service.statistics.measured import Measure
    from service.statistics.picture import KeptPicture

_MOST_LABELS = 60
_FIRST_LABELS = 12
_MOST_MEASURES = 60
_MOST_INTERVALS = 20
_MOST_CAMERAS = 30
_BY_CLOCK_NS = 49 * 3600 * SECOND_NS
_PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999))
_FEW = 30  # values, of which Cpk says little


def view(
    found: Found, picture: KeptPicture | None, language: Language, settings: Settings, now_ns: int
) -> dict[str, Any]:
    """Return it."""
    words = _Words(language, settings, found)
    wanted, total = found.wanted, found.total
    elapsed_ns = min(wanted.until_ns, max(now_ns, wanted.since_ns)) - wanted.since_ns
    height = 1000 * picture.height / picture.width if picture else HEAT_HEIGHT
    labels = _labels(found)
    by_place = found.rates.by_place if found.rates else {}
    false_calls = {(cell.column, cell.row): one.false_calls for cell, one in by_place.items()}
    return {
        "total": total,
        "title": words.title,
        "ok_share": total.ok_share,
        "at_least": found.ok_share_at_least,
        "decided_share": found.ok_share_decided,
        "per_minute": total.frames / (elapsed_ns / 60 / SECOND_NS) if elapsed_ns > 0 else 0.0,
        "rates": found.rates,
        "unknown": found.unknown,
        "unknown_long": words.long(found.unknown.length_ns),
        "whole_percent": lambda share: language.percent(share, 0 if share * 100 == round(share * 100) else 1),
        "intervals": found.unknown.last[:_MOST_INTERVALS],
        "bins": found.bins,
        "frames_drawing": frames_drawing(found.bins, words.of_bin, words.mark),
        "yield_drawing": yield_drawing(found.bins, words.of_bin, words.mark),
        "bin_words": [(words.moment(one.begin_ns), one) for one in found.bins if one.counts.frames or one.unknown],
        "labels": labels[:_FIRST_LABELS],
        "other_labels": labels[_FIRST_LABELS:],
        "more_labels": max(0, len(found.labels) - _MOST_LABELS),
        "picture": picture,
        "height": height,
        "cells": heat_cells(found.places, CELLS, CELLS, height, words.times),
        "false_cells": heat_cells(false_calls, COLUMNS, ROWS, height, words.times),
        "places": sum(found.places.values()),
        "measures": [_measure(one, found, words) for one in found.measures[:_MOST_MEASURES]],
        "more_measures": max(0, len(found.measures) - _MOST_MEASURES),
        "percentiles": [
            (name, words.exact_ms(latency.percentile_ms(found.took, share))) for name, share in _PERCENTILES
        ],
        "latency_drawing": latency_drawing(found.took, words.of_took, words.ms),
        "cameras": [*found.cameras.items()][:_MOST_CAMERAS],
        "more_cameras": max(0, len(found.cameras) - _MOST_CAMERAS),
        "servers": [*found.servers.items()],
        "shifts": [(words.shift(shift), counts) for shift, counts in reversed(found.shifts)],
        "moment": words.moment,
        "last_known_ns": min(now_ns, wanted.until_ns),
    }


def _labels(found: Found) -> list[dict[str, Any]]:
    """Return labels with the share that they and those before have of all."""
    shown, all_of_them = found.labels[:_MOST_LABELS], sum(one.nok for one in found.labels)
    rows, together = [], 0
    for one in shown:
        together += one.nok
        decided = found.rates.by_label.get(one.label) if found.rates else None
        rows.append(
            {
                "label": one.label,
                "nok": one.nok,
                "frames": one.frames,
                "bar": bar_share(one.nok, shown[0].nok),
                "share": one.nok / found.total.nok if found.total.nok else 0.0,
                "together": together / all_of_them if all_of_them else 0.0,
                "decided": decided,
            }
        )
    return rows


def _measure(one: Measure, found: Found, words: _Words) -> dict[str, Any]:
    digits = _digits(one)
    say = partial(words.language.number, digits=digits)
    return {
        "one": one,
        "drawing": measure_drawing(one, found.wanted.since_ns, found.wanted.until_ns, say),
        "mean": say(one.mean) if one.count else None,
        "sigma": words.language.number(one.sigma, digits + 1) if one.sigma is not None else None,
        "low": say(one.low) if one.low is not None else None,
        "high": say(one.high) if one.high is not None else None,
        "cp": words.language.number(one.cp, 2) if one.cp is not None else None,
        "cpk": words.language.number(one.cpk, 2) if one.cpk is not None else None,
        "kind": "" if one.cpk is None else "nok" if one.cpk < 1 else "warn" if one.cpk < 1.33 else "ok",
        "is_few": 0 < one.count < _FEW,
    }


def _digits(one: Measure) -> int:
    """Return how many digits behind the point tell the values of a series apart."""
    spread = one.sigma or abs(one.mean) / 100
    digits = 0
    while digits < 6 and spread and spread * 10**digits < 5:
        digits += 1
    return digits


class _Words:
    """Says what is seen in drawings."""

    def __init__(self, language: Language, settings: Settings, found: Found) -> None:
        self.language = language
        self._settings = settings
        self._found = found
        self._by_clock = found.wanted.span_ns <= _BY_CLOCK_NS
        self._clock = language.words["language.clock"].replace(":%S", "")
        self._date = language.words["language.date"]

    @property
    def title(self) -> str:
        """What time it is of."""
        wanted = self._found.wanted
        begin, end = (local_time(self._settings, at_ns) for at_ns in (wanted.since_ns, wanted.until_ns))
        first, last = begin.strftime(f"{self._date} {self._clock}"), end.strftime(f"{self._date} {self._clock}")
        if wanted.shift is not None:
            return f"{wanted.shift.name}, {first} \N{EN DASH} {end.strftime(self._clock)}"
        return f"{first} \N{EN DASH} {last}"

    def mark(self, at_ns: int) -> str:
        """Write the beginning of a bin below a drawing."""
        return local_time(self._settings, at_ns).strftime(self._clock if self._by_clock else self._date)

    def moment(self, at_ns: int) -> str:
        """Write a moment."""
        return local_time(self._settings, at_ns).strftime(f"{self._date} {self._clock}")

    def shift(self, shift: Any) -> str:
        """Write which shift it is."""
        return f"{shift.day.strftime(self._date)} {shift.name}"

    def of_bin(self, one: Bin) -> str:
        """Write what a bin has."""
        said = [f"{self.moment(one.begin_ns)} \N{EN DASH} {self.mark(one.end_ns)}", self._counts(one.counts)]
        if one.unknown:
            said.append(self.language.say("statistics.not_all_known"))
        return "\n".join(said)

    def of_took(self, one: Took) -> str:
        """Write what a bar of times has."""
        return f"{self.ms(one.from_ms)} \N{EN DASH} {self.ms(one.until_ms)}: {self.language.number(one.frames)}"

    def ms(self, value: float) -> str:
        """Write a time."""
        return f"{self.language.number(value, 0 if value >= 10 else 1)} ms"

    def exact_ms(self, value: float | None) -> str:
        """Write a time with a digit more; of no frame a dash."""
        return "-" if value is None else f"{self.language.number(value, 1)} ms"

    def long(self, length_ns: int) -> str:
        """Write how long something took."""
        if length_ns >= 60 * SECOND_NS:
            return self.language.duration(length_ns / SECOND_NS)
        return f"{self.language.number(length_ns / SECOND_NS, 1)} s"

    def times(self, count: int) -> str:
        """Write how often."""
        return self.language.number(count)

    def _counts(self, counts: Counts) -> str:
        say, number = self.language.say, self.language.number
        share = counts.ok_share
        first = f"{say('statistics.yield')} {self.language.percent(share)}, " if share is not None else ""
        errors = f", {say('statistics.errors')} {number(counts.error)}" if counts.error else ""
        return f"{first}{say('frame.ok')} {number(counts.ok)}, {say('frame.nok')} {number(counts.nok)}{errors}"
