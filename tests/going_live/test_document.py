"""What docs/going_live.md shows works as printed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from service.cli.commands.compare import compare
from tests.support.pictures import png
from tests.support.running import CHECKOUT
from workers.flow.proof import ProofOptions

DOCUMENT = (CHECKOUT / "docs" / "going_live.md").read_text()
CODE_DOCUMENT = (CHECKOUT / "docs" / "code.md").read_text()


def _plate(screws: int) -> bytes:
    image = np.full((120, 200, 3), 220, np.uint8)
    for number in range(screws):
        cv2.circle(image, (30 + 40 * number, 60), 12, (30, 30, 30), -1)
    return png(image)


def _project(folder: Path, expected: int) -> None:
    """The example of docs/code.md, with the proof of this page."""
    for part in ("code", "proof"):
        (folder / part).mkdir(parents=True)
    (folder / "code" / "count.py").write_text(re.findall(r"```python\n(.*?)```", CODE_DOCUMENT, flags=re.DOTALL)[0])
    toml = re.findall(r"```toml\n(.*?)```", CODE_DOCUMENT, flags=re.DOTALL)[0]
    toml = toml.replace("expected = 4", f"expected = {expected}")
    proof = re.findall(r"```toml\n(\[\[proof.*?)```", DOCUMENT, flags=re.DOTALL)[0]
    (folder / "framemill.toml").write_text(f"{toml}\n{proof}")
    (folder / "proof" / "good.png").write_bytes(_plate(4))
    (folder / "proof" / "three_screws.png").write_bytes(_plate(3))


@pytest.mark.long
def test_its_lines_work_as_printed(tmp_path: Path) -> None:
    _project(tmp_path / "screws", 4)
    _project(tmp_path / "screws_next", 3)
    (tmp_path / "pictures").mkdir()
    for screws in (3, 4):
        (tmp_path / "pictures" / f"part_{screws}.png").write_bytes(_plate(screws))
    done = []
    for line in re.findall(r"```sh\n(.*?)```", DOCUMENT, flags=re.DOTALL)[0].splitlines():
        assert line.split()[0] == "framemill"
        command = [sys.executable, "-I", "-m", "service.cli", *line.split()[1:]]
        done.append(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False))
    assert [each.returncode for each in done] == [1, 6]
    assert "NOK -> OK     pictures/part_3.png" in done[0].stdout
    assert "WRONG  proof[0] (proof/good.png): is NOK, expected OK" in done[1].stdout
    assert (tmp_path / "changes.html").exists()
    shutil.rmtree(tmp_path / "screws_next")


def test_it_names_every_option_and_key_and_no_other() -> None:
    named = set(re.findall(r"^\| `(--\w+)", DOCUMENT, flags=re.MULTILINE))
    assert named == {option for parameter in compare.params for option in parameter.opts if option.startswith("--")}
    table = DOCUMENT.partition("| key | meaning |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)`", table, flags=re.MULTILINE)) == ProofOptions.model_fields.keys()
