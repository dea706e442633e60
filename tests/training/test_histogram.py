"""The bars of a page count every score once, and their axis shows good ones and defects alike."""

from __future__ import annotations

import numpy as np
import pytest

from service.taught.histogram import Bar, histogram


def counted(bars: list[Bar]) -> int:
    """How many scores bars stand for, by their words."""
    return sum(int(bar.words.partition(" ")[0]) for bar in bars)


@pytest.mark.parametrize("far", [2.0, 12.0, 5000.0])
def test_every_score_is_counted_once_and_lies_on_the_right_side_of_the_threshold(far: float) -> None:
    rng = np.random.default_rng(3)
    good, drawn = rng.normal(1.2, 0.1, 300).tolist(), rng.uniform(1.9, far, 200).tolist()
    shown = histogram(good, drawn, 1.8)
    assert (counted(shown.good), counted(shown.drawn)) == (300, 200)
    assert max(bar.left for bar in shown.good) < shown.threshold
    assert min(bar.left + bar.width for bar in shown.drawn) >= shown.threshold
    assert 10 < shown.threshold < 95
    assert shown.open_end == (far == 5000.0)
    assert max(bar.height for bar in (*shown.good, *shown.drawn)) == 100
    places = [place for place, _ in shown.marks]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, 100)
    assert f"{1.8:.3g}" in [score for _, score in shown.marks]


def test_scores_that_are_all_the_same_have_one_bar() -> None:
    shown = histogram([0.0] * 9, [], float(np.nextafter(0, 1)))
    assert len(shown.good) == 1
    assert shown.drawn == []
