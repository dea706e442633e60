"""The method `both` of the module `anomaly`: what either of its methods finds is found."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bench.anomaly_accuracy import Decoded
from bench.tiny_anomaly import features
from workers.context.run import LookAtTime
from workers.errors import DeadlineExceeded
from workers.modules.anomaly.both import learned as both
from workers.modules.anomaly.both.learned import Both
from workers.modules.anomaly.methods import COMPARED, METHODS, WITH_BACKBONE, method_of
from workers.modules.anomaly.score import score_of

pytestmark = pytest.mark.long

_SIZE_PX = (112, 144)  # height and width


def _surface(seed: int) -> NDArray[np.uint8]:
    """Return brushed metal, (h, w) grey."""
    rng = np.random.default_rng(seed)
    strokes = cv2.GaussianBlur(rng.normal(0, 30, _SIZE_PX), (0, 0), sigmaX=12, sigmaY=0.6)
    return np.clip(120 + strokes + rng.normal(0, 2.5, _SIZE_PX), 0, 255).astype(np.uint8)


def _quiet(doing: str, share: float) -> None:
    assert doing
    assert 0 <= share <= 1


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return features(tmp_path_factory.mktemp("backbone") / "tiny.onnx")


@pytest.fixture(scope="module")
def learned(backbone: Path) -> Both:
    return both.learn(Decoded([_surface(seed) for seed in range(8)]), 0, _quiet, None, backbone)


def _over_at(look: int) -> LookAtTime:
    """Return what raises at that look at the time."""
    left = iter(range(look - 1))

    def look_at_time() -> None:
        if next(left, None) is None:
            raise DeadlineExceeded("over")

    return look_at_time


def _hottest(heat: NDArray[np.float32]) -> tuple[float, float]:
    """Where it is hottest, as shares of height and width."""
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    return (float(row) + 0.5) / heat.shape[0], (float(column) + 0.5) / heat.shape[1]


def test_it_is_one_that_can_be_asked_for_and_is_not_compared() -> None:
    assert method_of("both") is both
    assert set(METHODS) == {*COMPARED, "both"}
    assert "both" in WITH_BACKBONE


def test_a_scratch_and_a_patch_of_another_texture_are_found_where_they_are(learned: Both) -> None:
    good = max(score_of(learned.heat(_surface(seed), lambda: None)) for seed in range(20, 26))
    scratched, crossed = _surface(30), _surface(31)
    cv2.line(scratched, (90, 20), (120, 50), 230, 1, cv2.LINE_AA)
    crossed[50:100, 20:70] = _surface(32).T[50:100, 20:70]
    for image, (top, bottom), (left, right) in (
        (scratched, (16, 54), (86, 124)),
        (crossed, (46, 104), (16, 74)),
    ):
        heat = learned.heat(image, lambda: None)
        assert score_of(heat) > good
        row, column = _hottest(heat)
        assert top <= row * _SIZE_PX[0] <= bottom
        assert left <= column * _SIZE_PX[1] <= right


def test_heat_counts_in_units_of_good_places(learned: Both) -> None:
    heat = learned.heat(_surface(40), lambda: None)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert np.mean(heat > 1) < 0.1


def test_it_comes_back_to_the_bit(learned: Both, backbone: Path) -> None:
    again = both.restore({name: np.array(each) for name, each in learned.arrays().items()}, backbone)
    image = _surface(50)
    assert np.array_equal(again.heat(image, lambda: None), learned.heat(image, lambda: None))


def test_it_goes_on_from_what_it_knows(learned: Both, backbone: Path) -> None:
    more = both.learn(Decoded([_surface(seed) for seed in range(60, 64)]), 0, _quiet, learned, backbone)
    assert more.fine.n_pictures == 12
    assert np.array_equal(more.scale, learned.scale)
    assert set(map(bytes, learned.near.coreset.chosen)) <= set(map(bytes, more.near.coreset.chosen))


@pytest.mark.parametrize("scale", [None, [1.0], [2.0, 1.0], [0.0, np.nan]])
def test_what_is_no_scale_is_refused(learned: Both, backbone: Path, scale: list[float] | None) -> None:
    arrays = dict(learned.arrays())
    del arrays["scale"]
    if scale is not None:
        arrays["scale"] = np.array(scale, np.float32)
    with pytest.raises(ValueError, match="scale is"):
        both.restore(arrays, backbone)


@pytest.mark.parametrize("lost", ["neighbours.coreset", "filters.spread"])
def test_what_lacks_a_part_is_refused(learned: Both, backbone: Path, lost: str) -> None:
    with pytest.raises(ValueError, match=lost.partition(".")[2]):
        both.restore({name: each for name, each in learned.arrays().items() if name != lost}, backbone)


def test_time_is_looked_at_in_both(learned: Both) -> None:
    looks: list[int] = []
    learned.heat(_surface(70), lambda: looks.append(1))
    total = len(looks)
    for over_at in (1, total):
        with pytest.raises(DeadlineExceeded):
            learned.heat(_surface(70), _over_at(over_at))
