"""The detector that servers of models are measured with: all of them find the same, and something."""

from __future__ import annotations

import importlib
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bench import nano_detector, peer
from bench.frames import board
from tests.support.projects import write_project
from workers.flow.flow import Flow
from workers.flow.project import load_project


def test_peers_find_what_the_module_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(peer.__file__).parent / "peers"))
    monkeypatch.setenv("BENCH_MODEL", str(nano_detector.write(tmp_path / "nano.onnx")))
    monkeypatch.delitem(sys.modules, "detect", raising=False)
    image = board(1920, 1024)
    theirs = np.array(importlib.import_module("detect").detect(image))
    flow = Flow.prepare(load_project(write_project(tmp_path, '[[flow]]\nmodule = "detector"\nfile = "nano.onnx"\n')))
    rectangles = flow.run(image, data="", deadline_ns=time.monotonic_ns() + 10**11).context["detectedRectangles"]
    ours = np.array([[each[key] for key in ("x", "y", "width", "height", "confidence")] for each in rectangles])
    assert len(ours) == len(theirs) > 5
    # they round once, to px of the input
    assert np.abs(ours[:, :4] - theirs[:, :4]).max() < 2
    assert np.abs(ours[:, 4] - theirs[:, 4]).max() < 1e-2
    assert [each["classNames"][0]["id"] for each in rectangles] == theirs[:, 5].astype(int).tolist()


def test_only_servers_of_models_are_measured_with_one() -> None:
    assert {name for name in peer.PEERS if peer.runs_models(name)} == {"mosec", "LitServe", "BentoML"}
