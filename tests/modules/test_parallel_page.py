"""The page of the module `parallel`: its example runs, and its branches are joined as it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.modules.pages import example


def test_the_example_of_its_page_runs(tmp_path: Path) -> None:
    tried = example("parallel", tmp_path)
    part = np.full((60, 80, 3), 200, np.uint8)
    part[20:40, 30:50] = 10
    context = tried.inspect(part).context
    assert [box["classNames"][0]["label"] for box in context["detectedRectangles"]] == ["hole"]
    assert [each["module"] for each in context["timings"]] == ["parallel", "brightness", "blobs"]
    assert context["errors"] == []
    assert any("was dropped" in note for note in context["notes"])
    assert tried.inspect(np.zeros((60, 80, 3), np.uint8)).context["result"] is False
