"""How the module `ocr` judges a text that was read: what it is compared with, look-alikes, patterns, dates, days."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from workers.modules.ocr.confusable import ALIKE, Groups
from workers.modules.ocr.dates import DateFormat, DateMistake, checked_format, last_day
from workers.modules.ocr.filled import NothingThere, Template
from workers.modules.ocr.judging import Judge, Judged
from workers.modules.ocr.options import TextOptions

GROUPS = Groups(ALIKE)


def judged(
    raw: str, data: str = "", confidence: float = 0.9, more: dict[str, Any] | None = None, **text: Any
) -> Judged:
    options = TextOptions.model_validate({"name": "t", **text})
    return Judge(options).judge(raw, confidence, {"data": data, **(more or {})}, lambda: None)


@pytest.mark.parametrize(
    ("options", "data", "text", "why"),
    [
        ({}, "", "LOT A47118", ""),
        ({"equals": "LOT A4711B"}, "", "LOT A4711B", ""),
        ({"equals": "LOTA4711B"}, "", "LOT A4711B", ""),
        ({"equals": "LOT {data}"}, "A4711B", "LOT A4711B", ""),
        ({"equals": "LOT {data}"}, "A4712B", "LOT A47118", "expected 'LOT A4712B'"),
        ({"equals": "{data}"}, "", "LOT A47118", "expected ''"),
        ({"equals": "LOT {code.lot}"}, "", "LOT A4711B", ""),
        ({"equals": "LOT {code.expiry}"}, "", "LOT A47118", "there is no text at code.expiry"),
        ({"equals": "LOT A4711B", "pattern": ".*B"}, "", "LOT A4711B", ""),
        ({"equals": "LOT A4711B", "confusable": []}, "", "LOT A47118", "expected 'LOT A4711B'"),
        ({"equals": "LOT A47I18", "confusable": ["1I"]}, "", "LOT A47I18", ""),
        ({"pattern": r"LOT [A-Z]\d{4}[A-Z]"}, "", "LOT A4711B", ""),
        ({"pattern": r"LOT[A-Z]\d{4}[A-Z]"}, "", "LOT A4711B", ""),
        ({"pattern": r"LOT [A-Z]\d{5}"}, "", "LOT A47118", ""),
        ({"pattern": r"LOT [A-Z]\d{5}[A-Z]"}, "", "LOT A47118", "does not fit the pattern"),
        ({"pattern": r"LOT [A-Z]\d{4}[A-Z]", "confusable": []}, "", "LOT A47118", "does not fit the pattern"),
        ({"min_confidence": 0.95}, "", "LOT A47118", "its least sure character is 0.90 sure, expected 0.95"),
    ],
)
def test_a_text_is_put_right_where_it_is_known_or_says_why_not(
    options: dict[str, Any], data: str, text: str, why: str
) -> None:
    found = judged("LOT A47118", data, more={"code": {"lot": "A4711B"}}, **options)
    assert (found.text, found.why) == (text, why)


def test_no_group_holds_two_digits_so_that_no_wrong_number_passes() -> None:
    for group in ALIKE:
        assert sum(letter.isdigit() for letter in group) <= 1
    for digit in "0123456789":
        for other in "0123456789":
            assert GROUPS.same(digit, other) == (digit == other)


def test_many_look_alikes_are_put_right_within_bounds() -> None:
    tried = []
    assert GROUPS.put_right("0O" * 60, lambda text: bool(tried.append(text))) is None  # type: ignore[func-returns-value]
    assert len(tried) <= 3001


@pytest.mark.parametrize(
    ("format_", "text", "iso", "right"),
    [
        ("YYYY-MM-DD", "EXP 2027-03-14", "2027-03-14", "EXP 2027-03-14"),
        ("YYYY-MM-DD", "EXP 2O27-O3-I4 17:45", "2027-03-14", "EXP 2027-03-14 17:45"),
        ("DD.MM.YY", "31.12.28 17:45", "2028-12-31", "31.12.28 17:45"),
        ("DD.MM.YY", "31,12,28", "2028-12-31", "31,12,28"),
        ("DD.MM.YY", "31. 12. 28", "2028-12-31", "31. 12. 28"),
        ("DD.MM.YYYY", "0l.02.2029", "2029-02-01", "01.02.2029"),
        ("EXP DD/MM/YY", "MFG 01/02/26 EXP 01/02/28", "2028-02-01", "MFG 01/02/26 EXP 01/02/28"),
        ("MM/YYYY", "11/2028", "2028-11", "11/2028"),
        ("DD MMM YYYY", "07 0KT 2027", "2027-10-07", "07 OKT 2027"),
        ("DD MMM YYYY", "07 dez 2027", "2027-12-07", "07 dez 2027"),
        ("YYDDD", "27366 28060", "2028-02-29", "27366 28060"),
        ("YYWW", "DC 2653", "2026-W53", "DC 2653"),
        ("DDMMYY", "140327", "2027-03-14", "140327"),
    ],
)
def test_dates_are_found_in_texts(format_: str, text: str, iso: str, right: str) -> None:
    found = DateFormat(checked_format(format_), GROUPS).find(text)
    assert (found.iso, found.text) == (iso, right)


@pytest.mark.parametrize(
    ("format_", "text", "why"),
    [
        ("YYYY-MM-DD", "EXP 2027-13-14", "'2027-13-14' is no date as YYYY-MM-DD"),
        ("DD.MM.YY", "30.02.28", "'30.02.28' is no date as DD.MM.YY"),
        ("DD.MM.YY", "LOT A4711B", "there is no date as DD.MM.YY"),
        ("DDMMYY", "1403271", "there is no date as DDMMYY"),
        ("YYDDD", "27366", "'27366' is no date as YYDDD"),
        ("MM/YYYY", "00/2028", "'00/2028' is no date as MM/YYYY"),
        ("YYWW", "2760", "'2760' is no date as YYWW"),
    ],
)
def test_what_is_no_date_is_told(format_: str, text: str, why: str) -> None:
    with pytest.raises(DateMistake, match=why):
        DateFormat(format_, GROUPS).find(text)


@pytest.mark.parametrize(
    ("options", "days", "why"),
    [
        ({}, None, ""),
        ({"days_from": "2027-03-04"}, 10, ""),
        ({"days_from": "2027-03-04", "days_min": 10, "days_max": 10}, 10, ""),
        (
            {"days_from": "2027-03-04", "days_min": 11},
            10,
            "2027-03-14 is 10 days from 2027-03-04, expected at least 11",
        ),
        ({"days_from": "2027-03-04", "days_max": 9}, 10, "2027-03-14 is 10 days from 2027-03-04, expected at most 9"),
        ({"days_from": "{data}", "days_min": 0}, 0, ""),
        (
            {"days_from": "{code.expiry}", "days_min": 0},
            -17,
            "2027-03-14 is -17 days from 2027-03-31, expected at least 0",
        ),
        ({"days_from": "{code.none}", "days_min": 0}, None, "there is no text at code.none"),
        ({"days_from": "{code.lot}", "days_min": 0}, None, "days are counted from 'A1', expected a date as YYYY-MM-DD"),
        ({"days_from": "{code.lot}"}, None, ""),
    ],
)
def test_days_are_counted_from_a_day(options: dict[str, Any], days: int | None, why: str) -> None:
    more = {"code": {"expiry": "2027-03", "lot": "A1"}}
    found = judged("2027-03-14", "2027-03-14", date="YYYY-MM-DD", more=more, **options)
    assert (found.date, found.why) == ("2027-03-14", why)
    if options:
        assert found.days == days


def test_days_are_counted_from_today_at_the_line() -> None:
    before = datetime.now().astimezone().date()
    found = judged(f"{before + timedelta(30):%d.%m.%Y}", date="DD.MM.YYYY", days_min=20)
    after = datetime.now().astimezone().date()
    assert found.days in {30, 30 - (after - before).days}
    assert found.why == ""
    assert judged(f"{before - timedelta(1):%d.%m.%Y}", date="DD.MM.YYYY", days_min=0).why
    assert last_day("2028-02") == date(2028, 2, 29)


def test_expressions_in_texts_are_filled_in() -> None:
    context = {"data": "7", "codes": {"label": {"found": [{"gs1": {"lot": "A1"}}], "count": 1}}}
    assert Template("L {data}/{codes.label.found[0].gs1.lot} {codes.label.count}").filled(context) == "L 7/A1 1"
    for missing in ("{codes.label.found[1].gs1.lot}", "{codes.label.found}", "{1 / 3}", "{1 == 1}"):
        with pytest.raises(NothingThere, match="there is no text at"):
            Template(missing).filled(context)


def test_a_v_in_dots_that_is_read_as_a_u_is_put_right() -> None:
    assert judged("LOT U9182R", equals="LOT V9182R") == Judged("LOT V9182R")
    assert judged("LOT U9182R", equals="LOT W9182R").why == "expected 'LOT W9182R'"
