"""What docs/training.md shows works as printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from service.cli.commands.train import train
from tests.support.pictures import png
from tests.support.running import CHECKOUT
from tests.support.taught import plate

DOCUMENT = (CHECKOUT / "docs" / "training.md").read_text()


def _frame(number: int) -> bytes:
    """A plate on a belt: the region of the document is the plate."""
    return png(np.pad(plate(number), ((12, 12), (16, 16)), constant_values=30))


@pytest.mark.long
def test_its_lines_work_as_printed(tmp_path: Path) -> None:
    project = tmp_path / "plates"
    for folder, first, count in (("good", 0, 16), ("more_good", 100, 4)):
        (tmp_path / folder).mkdir()
        for number in range(first, first + count):
            (tmp_path / folder / f"{number}.png").write_bytes(_frame(number))
    project.mkdir()
    toml = re.findall(r"```toml\n(.*?)```", DOCUMENT, flags=re.DOTALL)[0]
    (project / "framemill.toml").write_text(toml)
    for line in re.findall(r"```sh\n(.*?)```", DOCUMENT, flags=re.DOTALL)[0].splitlines():
        name, *arguments = line.split()
        assert name == "framemill"
        command = [sys.executable, "-I", "-m", "service.cli", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "models" / "surface.npz").exists()
    assert (tmp_path / "train_report.html").exists()


def test_it_names_every_option_and_no_other() -> None:
    named = set(re.findall(r"^\| `(--[\w-]+)", DOCUMENT, flags=re.MULTILINE))
    assert named == {option for parameter in train.params for option in parameter.opts if option.startswith("--")}
