"""A time as people say it: a date, a time, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_AGO_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SECOND_NS = 1_000_000_000
QUARTER_NS = 900 * _SECOND_NS  # sums are kept of quarters of an hour, UTC
DAY_NS = 86_400 * _SECOND_NS
_MOST_NS = (1 << 63) - 1


def time_of(text: str, now_ns: int) -> int:
    """Return it in nanoseconds since 1970, as far as the database has such; local where it names no zone.

    Raises:
        ValueError: it is no time.
    """
    if ago := _AGO.fullmatch(text):
        return now_ns - int(ago[1]) * _AGO_S[ago[2]] * _SECOND_NS
    try:
        at = datetime.fromisoformat(text)
        at_ns = int(at.timestamp()) * _SECOND_NS + at.astimezone(UTC).microsecond * 1000
    except (ValueError, OverflowError):
        msg = f"a time as 2026-11-28 or 2026-11-28T14:00, or 90m, 2h, 7d ago was expected, got {text[:60]!r}"
        raise ValueError(msg) from None
    return max(-_MOST_NS, min(at_ns, _MOST_NS))
