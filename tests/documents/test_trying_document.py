"""What docs/trying.md shows works as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from service.cli.commands.run import run
from tests.support.pictures import png
from tests.support.running import CHECKOUT

DOCUMENT = (CHECKOUT / "docs" / "trying.md").read_text()


def _plate(screws: int) -> bytes:
    image = np.full((120, 200, 3), 220, np.uint8)
    for number in range(screws):
        cv2.circle(image, (30 + 40 * number, 60), 12, (30, 30, 30), -1)
    return png(image)


@pytest.mark.long
def test_its_lines_work_as_printed(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "good_part.png").write_bytes(_plate(4))
    (tmp_path / "pictures" / "part_1.png").write_bytes(_plate(4))
    (tmp_path / "pictures" / "part_2.png").write_bytes(_plate(3))
    (tmp_path / "truth.json").write_text(re.findall(r"```json\n(.*?)```", DOCUMENT, flags=re.DOTALL)[0])
    lines = re.findall(r"```sh\n(.*?)```", DOCUMENT, flags=re.DOTALL)[0].splitlines()
    statuses = []
    for line in lines:
        arguments = line.split()
        assert arguments[0] == "framemill"
        done = subprocess.run(
            [sys.executable, "-I", "-m", "service.cli", *arguments[1:]], cwd=tmp_path, capture_output=True, check=False
        )
        statuses.append(done.returncode)
    # a part is NOK, and the truth says so
    assert statuses == [0, 6, 6, 0, 0]
    assert {"screws", "seen", "seen.csv", "seen.jsonl", "false.html"} <= {path.name for path in tmp_path.iterdir()}


def test_it_names_every_option_and_no_other() -> None:
    named = set(re.findall(r"^\| `(--[\w-]+)", DOCUMENT, flags=re.MULTILINE))
    options = {option for parameter in run.params for option in parameter.opts if option.startswith("--")}
    # what is drawn has a page of its own: tests/documents/test_drawn_defects_document.py
    assert named == {option for option in options if not option.startswith("--drawn-")} | {"--drawn-defects"}
