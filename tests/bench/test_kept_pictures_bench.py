"""The bench of kept pictures runs, and its numbers parse; what they are is the bench's own business."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.running import CHECKOUT


@pytest.mark.long
def test_a_pair_runs_and_keeps_what_it_says() -> None:
    size = ("--size", "320", "240")
    command = [sys.executable, "-m", "bench.kept_pictures", "--pairs", "1", "--seconds", "1", "--per-s", "20", *size]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["errors"], found["lost"]) == (0, 0)
    assert found["kept"] >= found["frames"] // 10
    assert 0 < found["p50_ms"] <= found["p99_ms"]
    assert found["p99_ratio"] > 0
