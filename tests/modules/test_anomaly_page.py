"""The page about anomaly: its example is taught and runs, its table says what the options are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.tiny_anomaly import spotted, surface, teach
from tests.modules.pages import example, page, table
from workers.modules.anomaly.options import AnomalyOptions


def test_the_example_runs_as_it_is_printed(tmp_path: Path) -> None:
    teach(tmp_path, "models/plate.npz", [surface(seed) for seed in range(12)])
    tried = example("anomaly", tmp_path)
    good, bad = tried.inspect(surface(50)), tried.inspect(spotted(51))
    assert good.context["result"], good.context["anomalies"]
    assert good.context["detectedRectangles"] == []
    assert not bad.context["result"]
    assert [each["classNames"][0]["label"] for each in bad.context["detectedRectangles"]] == ["anomaly"]
    assert set(bad.context["anomalies"]["plate"]) == {"score", "threshold", "count", "area", "share_percent"}
    assert np.isfinite(bad.context["score"])


def test_the_table_of_options_is_that_of_the_code() -> None:
    assert table(AnomalyOptions) in page("anomaly")
