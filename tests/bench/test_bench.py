"""The bench runs, and its numbers parse; what they are is the bench's own business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import CHECKOUT


@pytest.mark.long
def test_the_smallest_scenario_runs_and_its_numbers_parse(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "--smallest", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("*.json")
    results = json.loads(file.read_text())
    assert results["machine"]["cores"] >= 1
    rows = results["rows"]
    assert {row["server"] for row in rows} == {"framemill", "inline"}
    for row in rows:
        assert row["frames"] > 0
        assert row["errors"] == 0, row["first_error"]
        assert row["per_s"] > 0
        assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["longest_ms"]
    assert file.with_suffix(".md").read_text() in done.stdout
