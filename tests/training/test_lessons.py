"""Lessons in processes: each in its order, and none left where one fails or its process is ended."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from tests.command_line.tried import children_of
from tests.support.pictures import png
from tests.support.taught import plate
from tests.training import odd_method
from workers.modules.region_options import RegionOptions
from workers.teaching.drawn import defect_for, mask_of
from workers.teaching.lesson import HEAT, LEARNED, Lesson, good_heat_name
from workers.teaching.lessons import LessonFailed, LessonPool, Part
from workers.teaching.pictures import place_of

COUNT = 6


@pytest.fixture(name="pictures")
def six_pictures(tmp_path: Path) -> Path:
    for number in range(COUNT):
        place_of(tmp_path, number).write_bytes(png(plate(number)))
    return tmp_path


def lesson(pictures: Path, number: int, **wishes: object) -> Lesson:
    """A lesson of the odd method, which learns of all pictures but `number` and looks at that."""
    found = pictures / f"lesson-{number}"
    found.mkdir()
    learn = [each for each in range(COUNT) if each != number]
    usual: dict[str, object] = {"learn": learn, "look": [number]}
    return Lesson.model_validate({"method": odd_method.__name__, "pictures": pictures, "found": found} | usual | wishes)


def test_each_says_what_it_has_found_and_how_far_all_of_them_are(pictures: Path) -> None:
    said: list[tuple[str, float]] = []
    with LessonPool(2) as pool:
        lessons = [lesson(pictures, number, defects=2, keep=number == 0) for number in range(COUNT)]
        looked = pool.do(lessons, Part(0.2, 0.5), lambda doing, share: said.append((doing, share)))
    for number, found in enumerate(looked):
        assert [*found.good] == [number]
        assert [each.copy_number for each in found.drawn] == [0, 1]
        assert found.ms >= 0
        with np.load(lessons[number].found / HEAT) as heat:
            assert {*heat.files} == {good_heat_name(number), *(each.heat_name for each in found.drawn)}
    with np.load(lessons[0].found / LEARNED) as learned:
        mean = np.mean([plate(number).mean() for number in range(1, COUNT)])
        assert float(learned["mean"]) == pytest.approx(mean)
    shares = [share for _, share in said]
    assert shares == sorted(shares)
    assert shares[0] >= 0.2
    assert shares[-1] == pytest.approx(0.7)
    assert "takes means" in {doing for doing, _ in said}


def test_what_was_learned_before_is_gone_on_with_and_looks_alone_where_nothing_is_learned(pictures: Path) -> None:
    np.savez(pictures / "before.npz", mean=np.array(100.0), pictures=np.array(10))
    with LessonPool(1) as pool:
        more = lesson(pictures, 0, before=pictures / "before.npz", keep=True)
        alone = lesson(pictures, 1, before=pictures / "before.npz", learn=[])
        _, looked = pool.do([more, alone], Part(0, 1), lambda _doing, _share: None)
    with np.load(more.found / LEARNED) as learned:
        assert int(learned["pictures"]) == 15
    assert 40 < looked.good[1] < 80  # from 100 to the brightest places
    assert looked.grown_bytes >= 0


def test_outside_of_a_polygon_nothing_is_strange_and_no_defect_is_drawn(tmp_path: Path) -> None:
    image = plate(1)
    image[:20, :32] = 0  # outside, and as strange as can be
    for number in range(COUNT):
        place_of(tmp_path, number).write_bytes(png(image))
    region = {"polygon": [[64, 0], [128, 0], [128, 96], [0, 96], [0, 48]]}
    with LessonPool(1) as pool:
        asked = lesson(tmp_path, 0, region=region, defects=4)
        (looked,) = pool.do([asked], Part(0, 1), lambda _doing, _share: None)
    assert looked.good[0] < 110
    mask = mask_of(RegionOptions.model_validate(region))
    assert mask is not None
    for copy in range(4):
        defect = defect_for(image, 0, 0, copy, mask)
        assert defect is not None
        assert not defect.mask[mask == 0].any()
    with np.load(asked.found / HEAT) as heat:
        assert {float(heat[name][:20, :32].max()) for name in heat.files} == {0.0}


@pytest.mark.parametrize(
    ("seed", "why"),
    [
        (odd_method.RAISES, "^ValueError: these pictures are too odd$"),
        (odd_method.DIES, "^its process died of SIGKILL$"),
        (odd_method.NOT_A_NUMBER, "what it says of a picture of 128 x 96 px is not a number in places"),
    ],
)
def test_one_that_fails_says_why_and_ends_the_others(pictures: Path, seed: int, why: str) -> None:
    before = children_of(os.getpid())
    waits = lesson(pictures, 0, seed=odd_method.WAITS)
    with pytest.raises(LessonFailed, match=why), LessonPool(2) as pool:
        pool.do([waits, lesson(pictures, 1, seed=seed)], Part(0, 1), lambda _doing, _share: None)
    assert children_of(os.getpid()) == before
