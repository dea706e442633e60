"""What docs/drawn_defects.md shows works as printed, and says what is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np

from service.cli.commands.run import run
from tests.support.pictures import png
from tests.support.running import CHECKOUT
from workers.training.kinds import KINDS

DOCUMENT = (CHECKOUT / "docs" / "drawn_defects.md").read_text()


def test_its_python_runs_as_printed(tmp_path: Path) -> None:
    code = re.findall(r"```python\n(.*?)```", DOCUMENT, flags=re.DOTALL)[0]
    (tmp_path / "good.png").write_bytes(png(np.full((120, 160, 3), 128, np.uint8)))
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Box(x=")
    assert {line.split()[0] for line in lines[1:]} == set(KINDS)


def test_it_names_every_kind_with_its_limits() -> None:
    rows = re.findall(r"^\| `(\w+)` \| .* \| (\d+) to (\d+) % \| (\d+) to (\d+) % \|$", DOCUMENT, flags=re.MULTILINE)
    said = {name: tuple(int(percent) for percent in percents) for name, *percents in rows}
    assert said == {
        name: tuple(round(100 * share) for share in (*kind.sizes, *kind.contrasts)) for name, kind in KINDS.items()
    }


def test_it_names_every_option() -> None:
    named = set(re.findall(r"^\| `(--[\w-]+)", DOCUMENT, flags=re.MULTILINE))
    options = {option for parameter in run.params for option in parameter.opts}
    assert named == {option for option in options if option.startswith("--drawn")} | {"--report"}
