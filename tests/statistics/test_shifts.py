"""Shifts: each moment belongs to one, over midnight and on days of 23 and 25 hours; mistakes in settings are told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.settings import Settings, load_settings
from service.statistics.shifts import SECOND_NS, day_bounds, local_time, shift_at, shift_before, shifts_of, zone_of
from workers.errors import SettingsInvalid

PRAGUE = Settings(time_zone="Europe/Prague")
_HOUR_NS = 3600 * SECOND_NS


def _ns(text: str, zone: str = "Europe/Prague") -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * SECOND_NS


def _shown(settings: Settings, at_ns: int) -> str:
    return f"{local_time(settings, at_ns):%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("at", "name", "day"),
    [
        ("2026-11-27 06:00", "early", 27),
        ("2026-11-27 13:59:59", "early", 27),
        ("2026-11-27 14:00", "late", 27),
        ("2026-11-27 22:00", "night", 27),
        ("2026-11-28 00:00", "night", 27),
        ("2026-11-28 05:59:59", "night", 27),
    ],
)
def test_a_shift_goes_over_midnight_and_belongs_to_the_day_it_began(at: str, name: str, day: int) -> None:
    shift = shift_at(PRAGUE, _ns(at))
    assert (shift.name, shift.day) == (name, date(2026, 11, day))
    assert shift.begin_ns <= _ns(at) < shift.end_ns
    assert shift.end_ns - shift.begin_ns == 8 * _HOUR_NS


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 28), 7), (date(2026, 10, 24), 9), (date(2026, 5, 1), 8)])
def test_the_night_in_which_clocks_are_set_is_shorter_or_longer(day: date, hours: int) -> None:
    early, late, night = shifts_of(PRAGUE, day)
    assert night.end_ns - night.begin_ns == hours * _HOUR_NS
    assert (early.end_ns, late.end_ns) == (late.begin_ns, night.begin_ns)
    assert _shown(PRAGUE, night.end_ns).endswith("06:00")


def test_a_shift_that_begins_in_the_hour_that_is_left_out_begins_after_it() -> None:
    settings = Settings(time_zone="Europe/Prague", shifts=("02:30 a", "03:00 b", "12:00 c"))
    spring = shifts_of(settings, date(2026, 3, 29))
    assert [(shift.name, _shown(settings, shift.begin_ns)[-5:]) for shift in spring] == [("b", "03:00"), ("c", "12:00")]
    autumn = shifts_of(settings, date(2026, 10, 25))
    assert autumn[0].end_ns - autumn[0].begin_ns == _HOUR_NS // 2 + _HOUR_NS  # from the first 02:30 to 03:00
    begin_ns, end_ns = day_bounds(settings, date(2026, 10, 25))
    assert end_ns - begin_ns == 25 * _HOUR_NS


@given(
    st.integers(0, (1 << 63) - 1),
    st.sampled_from(["Europe/Prague", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]),
    st.lists(st.integers(0, 95), min_size=1, max_size=5, unique=True),
)
def test_each_moment_belongs_to_one_shift_that_begins_with_a_quarter(
    at_ns: int, zone: str, quarters: list[int]
) -> None:
    begins = tuple(f"{one // 4}:{one % 4 * 15:02} s{one}" for one in quarters)
    settings = Settings(time_zone=zone, shifts=begins)
    shift = shift_at(settings, at_ns)
    at_ns = min(at_ns, 250_000_000_000 * SECOND_NS)
    assert shift.begin_ns <= at_ns < shift.end_ns
    if at_ns > 1_000_000_000 * SECOND_NS:  # before, zones had offsets that are no quarters
        assert not shift.begin_ns % (900 * SECOND_NS)
        before = shift_before(settings, shift)
        assert before.end_ns == shift.begin_ns


def test_of_a_day_that_a_zone_left_out_there_is_the_shift_that_reaches_beyond_it() -> None:
    apia = Settings(time_zone="Pacific/Apia")
    assert [shift.name for shift in shifts_of(apia, date(2011, 12, 30))] == ["night"]
    assert [shift.name for shift in shifts_of(apia, date(2011, 12, 31))] == ["early", "late", "night"]


def test_the_zone_is_the_machines_where_none_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert zone_of(Settings()) == ZoneInfo("Asia/Tokyo")
    assert zone_of(PRAGUE) == ZoneInfo("Europe/Prague")
    for other in ("CET-1CEST", "../../etc/passwd", "Europe"):
        monkeypatch.setenv("TZ", other)
        assert zone_of(Settings()).utcoffset(datetime(2026, 1, 1, tzinfo=UTC)) is not None


@pytest.mark.parametrize(
    ("given_shifts", "told"),
    [
        ("6 early", "a time and a name were expected, as \"06:00 early\", got '6 early'"),
        ("24:00 x", "a time and a name were expected"),
        ("06:10 early", "a shift begins at a quarter of an hour"),
        ("06:00 early,6:00 late", "'early' and 'late' begin at the same time"),
        ("06:00 a\0b", "a time and a name were expected"),
        ("", "a time and a name were expected"),
    ],
)
def test_a_mistake_in_a_shift_is_told(given_shifts: str, told: str) -> None:
    with pytest.raises(SettingsInvalid, match="shifts") as invalid:
        load_settings({}, {"shifts": given_shifts})
    assert told in str(invalid.value)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "Europe", "\0", "a" * 101])
def test_a_zone_that_is_none_is_told(zone: str) -> None:
    with pytest.raises(SettingsInvalid, match="time_zone"):
        load_settings({"time_zone": zone}, {})


def test_settings_as_a_text_are_those_of_the_command_line() -> None:
    settings = load_settings({}, {"shifts": "6:00 ranní, 18:00 noční"})
    assert [(begin.minute, begin.name) for begin in settings.shift_begins] == [(360, "ranní"), (1080, "noční")]
