"""GS1 element strings: application identifiers, and the values that they name.

    01040063813339311726123110LOT4711<GS>21S99  ->  {"gtin": "04006381333931", "expiry": "2026-12-31", "lot": ...}

Identifiers of a fixed length follow each other; others end at a separator (GS, byte 29), or at the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

Values = dict[str, str | float]

_SEPARATOR = "\x1d"
_TEXT = re.compile(r"[!-\"%-/0-9:-?A-Z_a-z#]+")


class GS1Mistake(Exception):
    """An element string is not as GS1 says; the text says how."""


class _Field(NamedTuple):
    """What an identifier means: its name, and its value's kind and length, `least` where it may be shorter."""

    name: str
    kind: str
    most: int
    least: int = 1


def _exact(name: str, kind: str, length: int) -> _Field:
    return _Field(name, kind, length, length)


_FIELDS: Mapping[str, _Field] = {
    "00": _exact("sscc", "checked", 18),
    "01": _exact("gtin", "checked", 14),
    "02": _exact("content_gtin", "checked", 14),
    "10": _Field("lot", "text", 20),
    "11": _exact("produced", "date", 6),
    "12": _exact("due", "date", 6),
    "13": _exact("packed", "date", 6),
    "15": _exact("best_before", "date", 6),
    "16": _exact("sell_by", "date", 6),
    "17": _exact("expiry", "date", 6),
    "20": _exact("variant", "digits", 2),
    "21": _Field("serial", "text", 20),
    "22": _Field("consumer_variant", "text", 20),
    "30": _Field("variable_count", "digits", 8),
    "37": _Field("count", "digits", 8),
    "90": _Field("internal_90", "text", 30),
    **{str(number): _Field(f"internal_{number}", "text", 90) for number in range(91, 100)},
    "235": _Field("third_party_serial", "text", 28),
    "240": _Field("additional_id", "text", 30),
    "241": _Field("customer_part", "text", 30),
    "242": _Field("made_to_order", "digits", 6),
    "243": _Field("packaging_component", "text", 20),
    "250": _Field("secondary_serial", "text", 30),
    "251": _Field("source_reference", "text", 30),
    "253": _Field("document_type", "text", 30),
    "254": _Field("location_extension", "text", 20),
    "255": _Field("coupon", "digits", 25),
    "400": _Field("order", "text", 30),
    "401": _Field("consignment", "text", 30),
    "402": _exact("shipment", "checked", 17),
    "403": _Field("routing", "text", 30),
    **{f"41{n}": _exact(name, "checked", 13) for n, name in enumerate(
        ("ship_to", "bill_to", "purchased_from", "ship_for", "location", "pay_to", "produced_at", "party")
    )},
    "420": _Field("ship_to_postcode", "text", 20),
    "421": _Field("ship_to_country_postcode", "text", 12),
    "422": _exact("origin_country", "digits", 3),
    "423": _Field("initial_country", "digits", 15),
    "424": _exact("processing_country", "digits", 3),
    "425": _Field("disassembly_country", "digits", 15),
    "426": _exact("full_process_country", "digits", 3),
    "710": _Field("nhrn_germany", "text", 20),
    "711": _Field("nhrn_france", "text", 20),
    "712": _Field("nhrn_spain", "text", 20),
    "713": _Field("nhrn_brazil", "text", 20),
    "714": _Field("nhrn_portugal", "text", 20),
    "7001": _exact("nato_stock_number", "digits", 13),
    "7002": _Field("meat_cut", "text", 30),
    "7003": _exact("expiry_time", "digits", 10),
    "7004": _Field("active_potency", "digits", 4),
    "8001": _exact("roll_dimensions", "digits", 14),
    "8002": _Field("mobile_serial", "text", 20),
    "8003": _Field("asset", "text", 30),
    "8004": _Field("individual_asset", "text", 30),
    "8005": _exact("price_per_unit", "digits", 6),
    "8006": _exact("item_of_group", "digits", 18),
    "8007": _Field("iban", "text", 34),
    "8008": _Field("produced_time", "digits", 12, 8),
    "8010": _Field("component_part", "text", 30),
    "8011": _Field("component_serial", "digits", 12),
    "8012": _Field("software_version", "text", 20),
    "8017": _exact("service_provider", "checked", 18),
    "8018": _exact("service_recipient", "checked", 18),
    "8020": _Field("payment_reference", "text", 25),
    "8110": _Field("coupon_us", "text", 70),
    "8200": _Field("url", "text", 70),
}  # fmt: skip

# measures: the last digit of the identifier says how many digits are behind the point
_MEASURES: Mapping[str, str] = {
    "310": "net_weight_kg", "311": "length_m", "312": "width_m", "313": "height_m", "314": "area_m2",
    "315": "net_volume_l", "316": "net_volume_m3", "320": "net_weight_lb", "330": "gross_weight_kg",
    "331": "gross_length_m", "332": "gross_width_m", "333": "gross_height_m", "334": "gross_area_m2",
    "335": "gross_volume_l", "336": "gross_volume_m3", "337": "kg_per_m2", "340": "gross_weight_lb",
}  # fmt: skip
_AMOUNTS: Mapping[str, str] = {"390": "amount", "392": "price"}

# beginnings of identifiers whose values have a fixed length, so that no separator follows them
_UNSEPARATED = frozenset(
    "00 01 02 03 04 11 12 13 14 15 16 17 18 19 20 31 32 33 34 35 36 41".split()  # noqa: SIM905 - as GS1 lists them
)


def parsed(element_string: str) -> Values:
    """Return the values of `element_string` by their names; raises GS1Mistake."""
    values: Values = {}
    rest = element_string.removeprefix(_SEPARATOR)
    if not rest:
        msg = "it is empty"
        raise GS1Mistake(msg)
    while rest:
        identifier, field = _identified(rest)
        rest = rest[len(identifier) :]
        if identifier[:2] in _UNSEPARATED:
            value, rest = rest[: field.most], rest[field.most :].removeprefix(_SEPARATOR)
        else:
            value, _, rest = rest.partition(_SEPARATOR)
        if field.name in values and values[field.name] != _value(identifier, field, value):
            msg = f"({identifier}) is there twice"
            raise GS1Mistake(msg)
        values[field.name] = _value(identifier, field, value)
    return values


def _identified(rest: str) -> tuple[str, _Field]:
    for length in (2, 3, 4):
        if field := _FIELDS.get(rest[:length]):
            return rest[:length], field
    if rest[:4].isdigit() and len(rest) >= 4:
        if name := _MEASURES.get(rest[:3]):
            return rest[:4], _exact(name, "decimal", 6)
        if name := _AMOUNTS.get(rest[:3]):
            return rest[:4], _Field(name, "decimal", 15)
    msg = f"no application identifier begins {rest[:4]!r}"
    raise GS1Mistake(msg)


def _value(identifier: str, field: _Field, value: str) -> str | float:
    wrong = f"({identifier}) {field.name} is {value!r}"
    if not field.least <= len(value) <= field.most:
        expected = f"{field.most}" if field.least == field.most else f"{field.least} to {field.most}"
        msg = f"{wrong}, expected {expected} characters"
        raise GS1Mistake(msg)
    if field.kind == "text":
        if not _TEXT.fullmatch(value):
            msg = f"{wrong}, which has characters that GS1 has not"
            raise GS1Mistake(msg)
        return value
    if not (value.isascii() and value.isdigit()):
        msg = f"{wrong}, expected digits"
        raise GS1Mistake(msg)
    if field.kind == "checked" and _check_digit(value[:-1]) != int(value[-1]):
        msg = f"{wrong}, whose check digit should be {_check_digit(value[:-1])}"
        raise GS1Mistake(msg)
    if field.kind == "decimal":
        return float(int(value) / 10.0 ** int(identifier[3]))
    return _day(wrong, value) if field.kind == "date" else value


def _check_digit(digits: str) -> int:
    """Return the digit that makes the sum of all, every second one three times, end with 0."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return -total % 10


def _day(wrong: str, value: str) -> str:
    """Return YYMMDD as ISO 8601 has it, without a day where it is 00; of the century that is nearest to now."""
    this_year = datetime.now(UTC).year
    year = this_year // 100 * 100 + int(value[:2])
    year += -100 if year - this_year > 50 else 100 if year - this_year < -49 else 0
    month, day = int(value[2:4]), int(value[4:])
    try:
        found = date(year, month, day or 1).isoformat()
    except ValueError:
        msg = f"{wrong}, which is no date"
        raise GS1Mistake(msg) from None
    return found if day else found[:7]
