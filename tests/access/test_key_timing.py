"""The time of a refusal tells nothing about the key that would have been right."""

from __future__ import annotations

import random

import pytest

from bench.key_timing import LIMIT, compare, run, welch_t

TRIES = 20_000


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_near_and_far_keys_take_the_same_time_to_be_refused() -> None:
    told = [one.line() for one in run(TRIES) if one.is_told]
    assert not told, "\n".join(told)


def test_the_measure_sees_a_difference_where_there_is_one() -> None:
    noise = random.Random(1)
    assert compare("same", 2000, lambda: noise.gauss(1, 0.1), lambda: noise.gauss(1, 0.1)).is_told is False
    assert compare("other", 2000, lambda: noise.gauss(1, 0.1), lambda: noise.gauss(1.03, 0.1)).is_told is True


def test_welchs_t_is_that_of_a_worked_example() -> None:
    # Welch (1947) as worked in Wikipedia's "Student's t-test", unequal variances
    one = [30.02, 29.99, 30.11, 29.97, 30.01, 29.99]
    other = [29.89, 29.93, 29.72, 29.98, 30.02, 29.98]
    assert welch_t(one, other) == pytest.approx(1.959, abs=0.001)
    assert abs(welch_t(one, one)) < LIMIT
