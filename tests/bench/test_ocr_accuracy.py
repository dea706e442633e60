"""The measurement of `ocr` reads what can be read."""

from __future__ import annotations

import pytest

from bench.ocr_accuracy import CLEAN, DOTS, KINDS, read


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_lines_of_each_kind_are_read(kind: str) -> None:
    figures = read(kind, lines=1, fonts=("rubik", "aileron", "mono", "times"))
    assert figures.lines == len(figures.ms) == (3 if kind in DOTS else 4)
    assert figures.right >= figures.lines - (0 if kind in CLEAN else 1), figures.wrong
