"""The method `filters` of the module `anomaly`, on surfaces that are drawn here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from workers.errors import DeadlineExceeded
from workers.modules.anomaly.filters import classifier, lessons
from workers.modules.anomaly.filters.learned import Filters, learn, restore
from workers.modules.anomaly.methods import method_of
from workers.modules.anomaly.score import score_of

Image = NDArray[np.uint8]

COUNT = 8
SIZE_PX = (112, 144)  # height and width


@dataclass(frozen=True)
class Drawn:
    """Pictures in memory."""

    images: Sequence[Image]

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[Image]:
        return iter(self.images)

    def some(self, chosen: Sequence[int]) -> Drawn:
        return Drawn([self.images[each] for each in chosen])


def brushed(seed: int, *, colour: bool = False) -> Image:
    """Return brushed metal in light from one side: (h, w) grey or (h, w, 3) BGR."""
    rng = np.random.default_rng(seed)
    width = SIZE_PX[1]
    strokes = cv2.GaussianBlur(rng.normal(0, 30, SIZE_PX), (0, 0), sigmaX=12, sigmaY=0.6)
    light = np.linspace(0.8, 1.2, width) if seed % 2 else np.linspace(1.15, 0.85, width)
    levels = (120 + strokes + rng.normal(0, 2.5, SIZE_PX)) * light
    grey = np.clip(levels, 0, 255)
    if colour:
        grey = np.clip(grey[:, :, None] * np.array([0.7, 0.9, 1.1]), 0, 255)
    return grey.astype(np.uint8)


def scratched(image: Image, begin: tuple[int, int], end: tuple[int, int]) -> Image:
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.line(mask, begin, end, 255, 1, cv2.LINE_AA)
    return np.clip(image + 0.35 * mask, 0, 255).astype(np.uint8)


def printed(seed: int) -> Image:
    """Return brushed metal with a line printed on it, wherever the part lies: (h, w) grey."""
    x = int(np.random.default_rng(seed).integers(50, 90))
    image = brushed(seed).astype(np.float32)
    image[:, x : x + 3] *= 0.4
    return image.astype(np.uint8)


def hottest(heat: NDArray[np.float32], image: Image) -> tuple[float, float]:
    """Return where it is hottest, (x, y) in pixels of the image."""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    height, width = image.shape[:2]
    return (float(column) + 0.5) * width / heat.shape[1], (float(row) + 0.5) * height / heat.shape[0]


def never() -> None:
    """There is time."""


def taught(images: Sequence[Image], seed: int = 0, before: Filters | None = None) -> Filters:
    """Return what was learned in a twentieth of the usual time: these surfaces are simple."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lessons, "_LESSONS", 48)
        patch.setattr(classifier, "_ROUNDS", 15)
        return learn(Drawn(images), seed, lambda *_: None, before, None)


@pytest.fixture(scope="module")
def good() -> list[Image]:
    return [brushed(seed) for seed in range(COUNT)]


@pytest.fixture(scope="module")
def learned(good: list[Image]) -> Filters:
    return taught(good)


@pytest.fixture(scope="module")
def in_colour() -> Filters:
    return taught([brushed(seed, colour=True) for seed in range(COUNT)])


def same(one: Filters, other: Filters) -> bool:
    pairs = zip(one.arrays().items(), other.arrays().items(), strict=True)
    return all(a == b and np.array_equal(left, right) for (a, left), (b, right) in pairs)


def test_it_is_what_the_name_says() -> None:
    assert method_of("filters").learn is learn


@pytest.mark.parametrize(("begin", "end"), [((60, 20), (70, 90)), ((30, 85), (60, 45)), ((110, 30), (112, 80))])
def test_a_scratch_is_found_where_it_is(learned: Filters, begin: tuple[int, int], end: tuple[int, int]) -> None:
    fine = brushed(100)
    bad = scratched(fine, begin, end)
    heat = learned.heat(bad, never)
    x, y = hottest(heat, bad)
    middle = np.array([(begin[0] + end[0]) / 2, (begin[1] + end[1]) / 2])
    along = np.array(end, float) - begin
    offset = np.array([x, y]) - middle
    length = float(np.hypot(*along))
    assert abs(offset[0] * along[1] - offset[1] * along[0]) / length < 8
    assert abs(offset @ along) / length < length / 2 + 6
    assert score_of(heat) > 2 * score_of(learned.heat(fine, never))


@pytest.mark.parametrize("level", [30, 230])
def test_a_spot_is_found_where_it_is(learned: Filters, level: int) -> None:
    fine = brushed(101)
    bad = fine.copy()
    cv2.circle(bad, (44, 70), 4, level, -1, cv2.LINE_AA)
    heat = learned.heat(bad, never)
    x, y = hottest(heat, bad)
    assert abs(x - 44) < 8
    assert abs(y - 70) < 8
    assert score_of(heat) > 2 * score_of(learned.heat(fine, never))


def test_good_pictures_in_other_light_stay_below_bad_ones(learned: Filters) -> None:
    down = np.linspace(0.75, 1.25, SIZE_PX[0])[:, None]
    others = [brushed(seed) for seed in range(200, 206)]
    lit = [np.clip(image * gain, 0, 255).astype(np.uint8) for image in others for gain in (0.7, down, down[::-1])]
    most = max(score_of(learned.heat(image, never)) for image in lit)
    least = min(score_of(learned.heat(scratched(image, (50, 20), (80, 90)), never)) for image in others)
    assert most < least


def test_a_stain_of_another_colour_and_the_same_brightness_is_found(in_colour: Filters) -> None:
    fine = brushed(102, colour=True)
    lab = cv2.cvtColor(fine, cv2.COLOR_BGR2LAB)
    stain = np.zeros(SIZE_PX, np.uint8)
    cv2.circle(stain, (90, 40), 7, 1, -1)
    lab[stain > 0, 1] = np.clip(lab[stain > 0, 1].astype(int) + 25, 0, 255)
    bad = np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2BGR), np.uint8)
    heat = in_colour.heat(bad, never)
    x, y = hottest(heat, bad)
    assert abs(x - 90) < 12
    assert abs(y - 40) < 12
    assert score_of(heat) > 2 * score_of(in_colour.heat(fine, never))


def test_grey_and_colour_are_brought_to_what_was_learned(learned: Filters, in_colour: Filters) -> None:
    grey, colour = brushed(103), brushed(103, colour=True)
    as_colour = np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8)
    as_grey = np.asarray(cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY), np.uint8)
    assert np.array_equal(learned.heat(as_colour, never), learned.heat(grey, never))
    assert np.array_equal(learned.heat(colour, never), learned.heat(as_grey, never))
    assert np.array_equal(in_colour.heat(grey, never), in_colour.heat(as_colour, never))


def test_a_grey_camera_that_sends_three_equal_planes_is_learned_as_grey(good: list[Image], learned: Filters) -> None:
    planes = [np.asarray(cv2.cvtColor(each, cv2.COLOR_GRAY2BGR), np.uint8) for each in good]
    assert same(taught(planes), learned)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 5), (37, 4), (64, 65), (701, 1203)])
def test_pictures_of_any_size_have_heat_everywhere(
    learned: Filters, in_colour: Filters, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(1)
    for found, image in (
        (learned, rng.integers(0, 256, shape, np.uint8)),
        (in_colour, rng.integers(0, 256, (*shape, 3), np.uint8)),
        (learned, np.zeros(shape, np.uint8)),
    ):
        before = image.copy()
        heat = found.heat(image, never)
        assert heat.ndim == 2
        assert heat.dtype == np.float32
        assert np.isfinite(heat).all()
        assert heat.min() >= 0
        assert heat.shape[0] / heat.shape[1] == pytest.approx(-(-shape[0] // 4) / -(-shape[1] // 4), rel=0.02)
        assert np.array_equal(image, before)


@pytest.mark.parametrize("colour", [False, True])
def test_what_is_restored_looks_in_the_same_way_to_the_bit(
    learned: Filters, in_colour: Filters, colour: bool, good: list[Image]
) -> None:
    found = in_colour if colour else learned
    again = restore({name: array.copy() for name, array in found.arrays().items()}, None)
    image = scratched(brushed(104), (20, 20), (50, 80))
    assert np.array_equal(found.heat(image, never), again.heat(image, never))
    assert same(found, again)
    assert sum(array.nbytes for array in found.arrays().values()) < 1_500_000
    if not colour:
        further = [taught(good[:1], before=each) for each in (found, again)]
        assert same(*further)


def test_the_seed_decides(learned: Filters, good: list[Image]) -> None:
    assert same(learned, taught(good))
    assert not same(learned, taught(good, seed=1))


def test_it_learns_on_and_does_not_forget(learned: Filters) -> None:
    lined = [printed(seed) for seed in range(300, 308)]
    both = taught(lined[:6], before=learned)
    assert both.n_pictures == COUNT + 6
    assert np.array_equal(both.scale.mean, learned.scale.mean)
    new, old = lined[6:], [brushed(seed) for seed in range(400, 403)]
    strange_before = min(score_of(learned.heat(image, never)) for image in new)
    assert max(score_of(both.heat(image, never)) for image in new) < strange_before / 2
    bad = [scratched(image, (50, 20), (80, 90)) for image in old]
    assert max(score_of(both.heat(i, never)) for i in old) < min(score_of(both.heat(i, never)) for i in bad)


def test_the_deadline_is_asked_between_the_steps(learned: Filters) -> None:
    image, asked = brushed(105), []
    learned.heat(image, lambda: asked.append(1))
    assert len(asked) >= 10

    def over() -> None:
        asked.pop()
        if not asked:
            message = "over"
            raise DeadlineExceeded(message)

    with pytest.raises(DeadlineExceeded):
        learned.heat(image, over)


def test_how_far_it_is_only_grows_and_whoever_is_told_can_break_it_off(good: list[Image]) -> None:
    shares: list[float] = []

    def tell(_: str, share: float) -> None:
        shares.append(share)
        if share > 0.3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learn(Drawn(good[:1]), 0, tell, None, None)
    assert len(shares) > 5
    assert shares == sorted(shares)


@pytest.mark.parametrize("images", [[], [np.zeros((1, 1), np.uint8)] * 6])
def test_pictures_that_nothing_can_be_learned_from_are_refused(images: list[Image]) -> None:
    with pytest.raises(ValueError, match="good pictures"):
        taught(images)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("hidden", lambda a: a[:, :-1]),
        ("hidden", lambda a: a.astype(np.float64)),
        ("hidden", lambda a: a * np.float32(np.nan)),
        ("last", lambda a: a.T),
        ("mean", lambda a: a[1:]),
        ("deviation", np.zeros_like),
        ("spread", lambda a: -a - 1),
        ("numbers", lambda a: a + 1),
        ("numbers", lambda a: a * 0),
        ("numbers", lambda a: a[:1]),
        ("kept", lambda a: a[:-1]),
        ("kept_strange", lambda a: a.astype(np.float32)),
    ],
)
def test_other_arrays_are_refused(learned: Filters, name: str, change: Any) -> None:
    arrays = dict(learned.arrays())
    with pytest.raises(ValueError, match=r"expected|must not|no number"):
        restore({**arrays, name: change(arrays[name])}, None)
    del arrays[name]
    with pytest.raises(ValueError, match=r"no array|expected"):
        restore(arrays, None)
