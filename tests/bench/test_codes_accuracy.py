"""The measurement of `codes` reads what can be read, and nothing that is not there."""

from __future__ import annotations

import pytest

from bench.codes_accuracy import KINDS, TEXTS, measure, read

SURE = ("plain", "any angle", "inverted", "perspective")


@pytest.mark.long
@pytest.mark.parametrize("name", TEXTS)
def test_codes_of_each_format_are_read(name: str) -> None:
    figures = read(name, frames=3)
    assert figures.keys() == KINDS.keys()
    assert [figures[kind]["read"] for kind in SURE] == [3] * len(SURE)
    assert sum(each["false"] for each in figures.values()) == 0


@pytest.mark.long
def test_figures_have_names_and_are_numbers() -> None:
    figures = measure(frames=1)
    assert figures["codes_least_any_angle_read_of_1"] == 1
    assert figures["codes_at_once_ms"] > 0
    assert all(isinstance(each, int | float) for each in figures.values())
