"""docs/statistics.md: its parameters are those of the API, its tables those of CSV, its numbers those of the code."""

from __future__ import annotations

import re
import tomllib

from service.history.schema.quarter_tables import CELLS
from service.history.writing.names import MOST_CAMERAS, MOST_LABELS, MOST_SERIES
from service.settings import Settings, load_settings
from service.statistics.csv_form import TABLES
from service.statistics.resource import StatisticsForm
from tests.support.running import CHECKOUT

DOCUMENT = (CHECKOUT / "docs" / "statistics.md").read_text()
PLAIN = DOCUMENT.replace("\n", " ")


def test_its_parameters_and_tables_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| (`\w.*?) \| (.*) \|$", DOCUMENT, flags=re.MULTILINE)
    assert {name for row, _ in rows for name in re.findall(r"\w+", row)} == StatisticsForm.model_fields.keys()
    said = next(words for row, words in rows if "`table`" in row)
    assert set(re.findall(r"`(\w+)`", said)) - {"json", "csv", "Accept"} == set(TABLES)


def test_its_numbers_are_those_of_the_code() -> None:
    for words in (
        f"first {MOST_LABELS} labels",
        f"{MOST_CAMERAS} cameras a day",
        f"first {MOST_SERIES} names",
        f"grid of {CELLS} x {CELLS} cells",
    ):
        assert words in PLAIN, words


def test_its_calendar_is_one() -> None:
    table = re.search(r"```toml\n\[server\]\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    assert table is not None
    settings = load_settings(tomllib.loads(table[1]), {})
    assert settings.shifts == Settings.model_fields["shifts"].default
