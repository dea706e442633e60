"""Memory stays flat over 10,000 frames of each kind of module, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import CHECKOUT
from workers.flow.registry import OURS

_SETTLED, _ALL = 2_000, 10_000
_MOST_GROWTH_KIB = 1024  # a tenth of a kilobyte a frame would be 800

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


@pytest.mark.parametrize("kind", OURS)
def test_memory_stays_flat(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-m", "tests.soak.kit.module_frames", kind, str(tmp_path), str(_SETTLED), str(_ALL)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    settled_kib, all_kib = json.loads(done.stdout.splitlines()[-1])
    print(f"{kind}: {settled_kib / 1024:.1f} MiB after {_SETTLED:,} frames, {all_kib / 1024:.1f} after {_ALL:,}")
    assert all_kib - settled_kib <= _MOST_GROWTH_KIB
