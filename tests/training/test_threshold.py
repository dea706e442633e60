"""The threshold: the share of good pictures above it is what was asked for, seen or not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from workers.teaching.comparing import Tried, auroc, better_of
from workers.teaching.threshold import share_between, threshold_for

ALL = 200_000


def scores(kind: str, count: int, seed: int) -> NDArray[np.float64]:
    """Scores as methods give them: distances (gamma), distances of a wide spread (lognormal), and logits (normal)."""
    rng = np.random.default_rng(seed)
    drawn = {"gamma": rng.gamma(9, 0.1, count), "lognormal": rng.lognormal(0, 0.25, count)}
    return drawn[kind] if kind in drawn else rng.normal(5, 1, count)


@pytest.mark.parametrize("kind", ["gamma", "lognormal", "normal"])
@pytest.mark.parametrize(("count", "share"), [(240, 0.01), (60, 0.01), (240, 0.002), (2000, 0.01), (24, 0.05)])
def test_over_many_lines_as_many_good_parts_are_refused_as_were_asked_for(kind: str, count: int, share: float) -> None:
    real = np.sort(scores(kind, ALL, 10**6))
    refused = []
    for seed in range(200):
        threshold = threshold_for(scores(kind, count, seed).tolist(), share)
        refused.append(1 - np.searchsorted(real, threshold.score) / ALL)
        assert threshold.extrapolated == (count * share < 10)
    assert share / 2.5 < np.median(refused) < 2 * share
    assert np.quantile(refused, 0.9) < max(4 * share, share + 3 / count)


def test_a_finer_share_never_has_a_lower_threshold() -> None:
    good = scores("gamma", 150, 3).tolist()
    thresholds = [threshold_for(good, share).score for share in (0.3, 0.1, 0.06, 0.03, 0.01, 0.001, 0.00001)]
    assert thresholds == sorted(thresholds)


@pytest.mark.parametrize("good", [[0.0] * 20, [3.5] * 8, [1.0], [1.0, 2.0]])
@pytest.mark.parametrize("share", [0.5, 0.01, 0.0001])
def test_scores_that_are_all_the_same_leave_a_threshold_above_them(good: list[float], share: float) -> None:
    threshold = threshold_for(good, share).score
    assert np.isfinite(threshold)
    assert threshold > min(good)


def test_the_true_share_lies_between_both_in_nineteen_of_twenty_cases() -> None:
    rng = np.random.default_rng(7)
    for true, count in ((0.01, 240), (0.05, 60), (0.3, 30)):
        inside = [
            least <= true <= most
            for least, most in (share_between(int(each), count) for each in rng.binomial(count, true, 2000))
        ]
        assert np.mean(inside) > 0.9
    assert share_between(0, 100) == pytest.approx((0, 0.037), abs=0.001)
    assert share_between(0, 0) == (0.0, 1.0)


def test_auroc_counts_pairs_and_equal_scores_half() -> None:
    assert auroc([1, 2, 3], [4, 5]) == 1
    assert auroc([4, 5], [1, 2, 3]) == 0
    assert auroc([1, 1, 1], [1, 1]) == 0.5
    rng = np.random.default_rng(2)
    good, drawn = rng.integers(0, 9, 40), rng.integers(3, 12, 30)
    pairs = np.mean([(each > other) + 0.5 * (each == other) for each in drawn for other in good])
    assert auroc(good.tolist(), drawn.tolist()) == pytest.approx(pairs)


def test_the_better_method_is_taken_and_of_two_that_are_as_good_the_cheaper_one() -> None:
    one, other = Tried("neighbours", 0.97, 8.0), Tried("filters", 0.90, 2.0)
    taken, why = better_of([one, other])
    assert (taken, why) == (
        one,
        "tells drawn defects from good better (AUROC neighbours 0.970 at 8.0 ms, filters 0.900 at 2.0 ms)",
    )
    taken, why = better_of([one, other._replace(auroc=0.965)])
    assert taken.method == "filters"
    assert "as well as the other and costs less" in why
    taken, why = better_of([one, Tried("filters", 0.975, 6.0)])
    assert taken.method == "neighbours"
    assert "costs hardly more, and has learned with none of them" in why
