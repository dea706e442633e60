"""Exports of the real anomalib say with our module what they say in torch.

They are made by tests/soak/elsewhere/anomalib_exports.py in an environment of its own, which is large and so is not
made here. One that has it, with torch and torchvision that belong together, is named by FRAMEMILL_ANOMALIB:

    python -m venv ENV && ENV/bin/pip install anomalib onnx onnxscript
    FRAMEMILL_ANOMALIB=ENV/bin/python .venv/bin/pytest -m soak tests/soak/test_anomalib.py
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench.tiny_anomaly import spotted, surface
from tests.support.projects import write_project
from tests.support.running import CHECKOUT
from workers.modules.anomaly.exported import THRESHOLD
from workers.programs.trying import TriedProject

pytestmark = [pytest.mark.soak, pytest.mark.timeout(1800)]

_PYTHON = os.environ.get("FRAMEMILL_ANOMALIB", "")
_GOOD, _BAD = 24, 8
_OFF = 1e-3


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not _PYTHON:
        pytest.skip("FRAMEMILL_ANOMALIB names no Python with anomalib; the head of this file says how to make one")
    folder = tmp_path_factory.mktemp("exports")
    for name, count in (("good", _GOOD), ("bad", _BAD)):
        (folder / name).mkdir()
        for seed in range(count):
            image = surface(seed) if name == "good" else spotted(100 + seed, radius_px=14)
            cv2.imwrite(str(folder / name / f"{seed}.png"), image)
    script = CHECKOUT / "tests" / "soak" / "elsewhere" / "anomalib_exports.py"
    offline = {"HF_HUB_OFFLINE": "1", "ANOMALIB_DISABLE_TELEMETRY": "1"}
    command = [_PYTHON, "-P", str(script), str(folder)]  # -P: its folder is none that it should import from
    done = subprocess.run(command, cwd=folder, env=os.environ | offline, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.mark.parametrize("kind", ["padim", "patchcore"])
def test_they_say_the_same_of_each_picture(exports: Path, tmp_path: Path, kind: str) -> None:
    write_project(tmp_path, '[[flow]]\nmodule = "anomaly"\nfile = "models/model.onnx"\narea_min_px = 1\n')
    shutil.copytree(exports / kind / "weights" / "onnx", tmp_path / "models")
    tried = TriedProject(tmp_path)
    off, judged = [], 0
    for picture, said in json.loads((exports / f"{kind}.json").read_text()).items():
        context = tried.inspect(picture).context
        assert context["errors"] == []
        if abs(said["score"] - THRESHOLD) > _OFF:  # anomalib puts the threshold on the score of one of the pictures
            assert context["result"] is not said["bad"], (picture, said)
            assert bool(context["detectedRectangles"]) <= said["bad"]
            judged += 1
        off.append(abs(context["score"] - said["score"]))
    print(f"{kind}: scores of {len(off)} pictures are off by {np.max(off):.5f} at most")
    assert np.max(off) < _OFF
    assert judged > len(off) - 4
