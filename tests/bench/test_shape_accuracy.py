"""The measurement of `shape` finds every part of its scenes."""

from __future__ import annotations

import pytest

from bench.shape_accuracy import KINDS, PARTS, measure


@pytest.mark.long
def test_every_part_is_found_in_scenes_of_each_kind() -> None:
    figures = measure(scenes=2)
    assert figures.keys() == PARTS.keys()
    for part in figures.values():
        assert part["kinds"].keys() == KINDS.keys()
        assert {kind: each["found"] for kind, each in part["kinds"].items()} == dict.fromkeys(KINDS, 2)
        assert all(each["most_px"] < 0.1 for each in part["kinds"].values())
        assert part["opencv"]["one_angle_ms"] > 0
