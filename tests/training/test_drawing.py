"""Defects drawn into good pictures: known to the pixel, decided by a seed, and alike on grey and in colour."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray

from tests.support.running import CHECKOUT
from workers.training.drawing import LEAST_PX, Box, DrawnDefect, draw_defect, drawn_into
from workers.training.kinds import KINDS

Picture = NDArray[np.uint8]

kinds = pytest.mark.parametrize("kind", KINDS)


def surface(shape: tuple[int, ...], level: int = 128, grain: float = 4.0, seed: int = 0) -> Picture:
    """A plain surface with grain, in colour a little blue."""
    noise = np.random.default_rng(seed).normal(level, grain, shape)
    if len(shape) == 3:
        noise += (6, 0, -6)
    return np.clip(np.rint(noise), 0, 255).astype(np.uint8)


@some.composite
def anything(draw: some.DrawFn) -> tuple[Picture, str, int, dict[str, Any]]:
    """A picture, a kind, a seed and wishes, all that are allowed."""
    height, width = draw(some.integers(LEAST_PX, 90)), draw(some.integers(LEAST_PX, 90))
    shape = (height, width, 3) if draw(some.booleans()) else (height, width)
    level, grain = draw(some.sampled_from([0, 5, 60, 128, 200, 255])), draw(some.sampled_from([0.0, 3.0, 25.0]))
    seed = draw(some.integers(0, 1 << 62))
    wishes: dict[str, Any] = {}
    if draw(some.booleans()):
        wishes["contrast"] = draw(some.floats(0.001, 1.0))
    if draw(some.booleans()):
        wishes["size_share"] = draw(some.floats(0.001, 1.0))
    elif draw(some.booleans()):
        wishes["size_px"] = draw(some.floats(2.0, max(height, width)))
    if draw(some.booleans()):
        where: NDArray[Any] = np.zeros((height, width), draw(some.sampled_from(["bool", "uint8"])))
        y, x = draw(some.integers(0, height - 1)), draw(some.integers(0, width - 1))
        where[y : y + draw(some.integers(1, 60)), x : x + draw(some.integers(1, 60))] = 1
        wishes["where"] = where
    return surface(shape, level, grain, seed), draw(some.sampled_from(list(KINDS))), seed, wishes


@settings(max_examples=200, deadline=None)
@given(anything())
def test_the_mask_is_where_it_changed_and_the_seed_decides_everything(
    case: tuple[Picture, str, int, dict[str, Any]],
) -> None:
    good, kind, seed, wishes = case
    untouched = good.copy()
    drawn = draw_defect(good, kind, seed, **wishes)
    assert np.array_equal(good, untouched)
    assert (drawn.image.shape, str(drawn.image.dtype)) == (good.shape, "uint8")
    assert (drawn.mask.shape, str(drawn.mask.dtype)) == (good.shape[:2], "bool")
    assert np.array_equal(drawn.image[~drawn.mask], good[~drawn.mask])
    change = np.abs(drawn.image.astype(int) - good).reshape(*good.shape[:2], -1).max(axis=2)
    seen = (change >= 3).astype(np.uint8)
    assert seen.any()
    assert (drawn.mask >= seen).all()
    assert (drawn.mask <= cv2.dilate(seen, np.ones((3, 3)))).all()
    ys, xs = np.nonzero(drawn.mask)
    assert drawn.box == Box(xs.min(), ys.min(), int(np.ptp(xs)) + 1, int(np.ptp(ys)) + 1)
    if "where" in wishes:
        assert not (drawn.mask & (wishes["where"] == 0)).any()
    if "contrast" in wishes:
        assert drawn.contrast == wishes["contrast"]
    again = draw_defect(good, kind, seed, **wishes)
    assert again.image.tobytes() == drawn.image.tobytes()
    assert np.array_equal(again.mask, drawn.mask)


@kinds
@pytest.mark.parametrize("shape", [(240, 320), (240, 320, 3)])
def test_it_is_as_long_and_as_strong_as_wished(kind: str, shape: tuple[int, ...]) -> None:
    good = surface(shape, grain=0)
    for size_px, seed in ((20, 1), (40, 2), (80, 3)):
        drawn = draw_defect(good, kind, seed, size_px=size_px, contrast=0.4, where=_middle(good))
        assert size_px * 0.3 <= _longest(drawn) <= size_px * 1.5 + 4
        assert drawn.size_px == size_px
    share = draw_defect(good, kind, 3, size_share=80 / 240, contrast=0.4, where=_middle(good))
    assert np.array_equal(share.image, drawn.image)
    steps = [_step(draw_defect(good, kind, 9, size_px=40, contrast=c), good) for c in (0.1, 0.2, 0.4)]
    assert steps == sorted(steps)
    assert steps[2] > 1.5 * steps[0]
    assert 0.4 * 128 * 0.3 <= steps[2] <= 0.4 * 128 * 1.9


@kinds
def test_another_contrast_leaves_it_where_it_is(kind: str) -> None:
    good = surface((200, 200), grain=0)
    faint, strong = (draw_defect(good, kind, 4, size_px=50, contrast=c) for c in (0.2, 0.5))
    assert (faint.mask & strong.mask).sum() > 0.85 * faint.mask.sum()


@kinds
def test_it_is_darker_here_and_brighter_there_and_another_for_another_seed(kind: str) -> None:
    good = surface((120, 160), grain=1)
    drawn = [draw_defect(good, kind, seed, contrast=0.5) for seed in range(40)]
    changes = [(one.image.astype(int) - good)[one.mask] for one in drawn]
    assert any(change.min() < -10 and change.sum() < 0 for change in changes)
    assert any(change.max() > 10 and change.sum() > 0 for change in changes)
    assert len({one.image.tobytes() for one in drawn}) == 40


@kinds
@pytest.mark.parametrize("level", [0, 255])
def test_on_black_and_on_white_it_can_be_seen(kind: str, level: int) -> None:
    good = np.full((64, 64), level, np.uint8)
    for seed in range(10):
        drawn = draw_defect(good, kind, seed)
        assert _step(drawn, good) >= 3


@kinds
def test_the_grain_of_the_surface_goes_on_in_it(kind: str) -> None:
    good = surface((200, 200), grain=8)
    drawn = draw_defect(good, kind, 2, size_px=80, contrast=0.3)
    change = (drawn.image.astype(float) - good)[drawn.mask]
    assert drawn.image[drawn.mask].std() > 3
    assert change.std() > 1


def test_colours_change_by_their_own_shares() -> None:
    good = surface((100, 100, 3), grain=0)
    means = [
        (one.image.astype(int) - good)[one.mask].mean(axis=0)
        for one in (draw_defect(good, "spot", seed, contrast=0.5, size_px=30) for seed in range(5))
    ]
    assert all(np.ptp(mean) > 1 for mean in means)


@kinds
def test_grey_that_is_repeated_as_colour_gets_what_grey_gets(kind: str) -> None:
    grey = surface((80, 100))
    drawn = draw_defect(np.dstack([grey] * 3), kind, 5)
    assert np.array_equal(drawn.image, np.dstack([draw_defect(grey, kind, 5).image] * 3))


def test_a_missing_piece_is_often_at_the_edge_of_the_part() -> None:
    good = surface((200, 200))
    where = np.zeros((200, 200), np.bool_)
    where[50:150, 60:160] = True
    good[~where] = 20
    levels = []
    for seed in range(40):
        drawn = draw_defect(good, "missing_piece", seed, size_px=30, where=where)
        x, y, width, height = drawn.box
        if x == 60 or y == 50 or x + width == 160 or y + height == 150:
            levels.append(drawn.image[drawn.mask].mean())
    assert 15 <= len(levels) <= 39
    # what lies behind the part is dark
    assert np.median(levels) < 115
    assert max(levels) < 135


def test_series_mix_the_kinds_evenly_and_begin_anew_the_same() -> None:
    pictures = [surface((60, 80), seed=number) for number in range(23)]
    drawn = list(drawn_into(pictures, 7))
    counts = Counter(one.kind for one in drawn)
    assert set(counts) == set(KINDS)
    assert max(counts.values()) - min(counts.values()) <= 1
    again = list(drawn_into(iter(pictures), 7))
    assert [one.image.tobytes() for one in again] == [one.image.tobytes() for one in drawn]
    assert [one.image.tobytes() for one in drawn_into(pictures[:9], 7)] == [one.image.tobytes() for one in drawn[:9]]
    assert [one.image.tobytes() for one in drawn_into(pictures, 8)] != [one.image.tobytes() for one in drawn]
    assert {one.kind for one in drawn_into(pictures, 7, kinds=["dent", "spot"])} == {"dent", "spot"}
    assert len({one.seed for one in drawn}) == 23
    first = drawn[3]
    assert draw_defect(pictures[3], first.kind, first.seed).image.tobytes() == first.image.tobytes()


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({"kind": "rust"}, "kind is 'rust', known are scratch, spot, dent, missing_piece, smear"),
        ({"seed": -1}, "seed is -1, expected 0 or more"),
        ({"image": np.zeros((3, 9), np.uint8)}, "image has 9 x 3 px, expected at least 4 on either side"),
        ({"image": np.zeros((9, 9), np.float32)}, "expected uint8, (h, w) grey or (h, w, 3) BGR"),
        ({"image": np.zeros((9, 9, 4), np.uint8)}, "expected uint8, (h, w) grey or (h, w, 3) BGR"),
        ({"contrast": 0}, "contrast is 0, expected more than 0 and at most 1"),
        ({"contrast": float("nan")}, "contrast is nan"),
        ({"size_share": 1.5}, "size_share is 1.5, expected more than 0 and at most 1"),
        ({"size_px": 41}, "size_px is 41, expected 2 to 40"),
        ({"size_px": 4, "size_share": 0.5}, "size_share and size_px are both given"),
        ({"where": np.zeros((40, 40), np.bool_)}, "where is 0 everywhere"),
        ({"where": np.ones((40, 41), np.bool_)}, "where is an array (40, 41) of bool, expected bool or uint8 (40, 40)"),
        ({"where": np.ones((40, 40), np.float32)}, "where is an array (40, 40) of float32"),
    ],
)
def test_what_cannot_be_drawn_is_a_clear_error(wishes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        draw_defect(**{"image": np.zeros((40, 40), np.uint8), "kind": "spot", "seed": 1, **wishes})


def test_a_series_of_no_kinds_is_a_clear_error() -> None:
    with pytest.raises(ValueError, match="no kinds are named; known are scratch, "):
        list(drawn_into([surface((9, 9))], 1, kinds=[]))


def test_it_needs_nothing_but_numpy_and_opencv() -> None:
    code = (
        "import sys, workers.training.drawing as d; print([n for n in sys.modules if n.split('.')[0] in sys.argv[1:]])"
    )
    others = ["onnxruntime", "pydantic", "scipy", "falcon", "orjson"]
    done = subprocess.run(
        [sys.executable, "-c", code, *others], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def _middle(good: Picture) -> NDArray[np.bool_]:
    """What is far enough from the border that nothing is cut off there."""
    where = np.zeros(good.shape[:2], np.bool_)
    where[40:-40, 40:-40] = True
    return where


def _longest(drawn: DrawnDefect) -> float:
    return float(np.hypot(drawn.box.width, drawn.box.height))


def _step(drawn: DrawnDefect, good: Picture) -> float:
    return float(np.abs(drawn.image.astype(int) - good)[drawn.mask].max())
