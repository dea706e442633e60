"""The suite `inspection`: every kind of module has an example that runs, and its figures get a table and targets."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import inspection
from bench.frames import board
from bench.module_examples import EXAMPLES, write_example
from bench.pcb_accuracy import Score
from bench.tables import markdown
from tests.bench.test_bench_results import found, results
from tests.support.projects import inspect
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.flow.registry import OURS


@pytest.mark.parametrize("kind", OURS)
def test_each_kind_of_module_has_an_example_that_runs(tmp_path: Path, kind: str) -> None:
    assert kind in EXAMPLES, "bench/module_examples.py needs a row: it is timed, and its memory is watched, by that"
    image = board(160, 120)
    context = inspect(Flow.prepare(load_project(write_example(kind, tmp_path, image))), image).context
    assert context["errors"] == []


def test_there_is_no_example_of_a_module_that_is_gone() -> None:
    assert set(EXAMPLES) <= set(OURS)


def test_figures_of_modules_have_a_table_of_their_own_and_their_targets() -> None:
    given = results(facts={"inspection_reference_pairs_recall": 0.97, "inspection_shape_ms": 12.5, "ready_s": 1.0})
    page = markdown(given)
    own, rest = page.split("## Inspection")[1].split("## Single figures")
    assert "| shape_ms" in own
    assert "12.5" in own
    assert "shape_ms" not in rest
    assert "| ready_s" in rest
    assert found("reference, pairs: recall at IoU 0.1", given) == (0.97, False)
    assert found("reference, pairs: precision at IoU 0.1", given) is None


def test_what_others_measure_is_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_boards", "_example_board", "_kinds"):
        monkeypatch.setattr(inspection, name, lambda: {"blobs_ms": 3.0})
    monkeypatch.setattr(inspection, "_OTHERS", ("bench.there_is_none", "tests.bench.measured_elsewhere"))
    assert inspection.inspection() == {"inspection_blobs_ms": 3.0, "inspection_widget_ms": 4.0}


def test_close_rectangles_count_apart_from_those_that_only_touch() -> None:
    score = Score()
    true = [
        {"x": 0, "y": 0, "width": 20, "height": 20, "label": "open"},
        {"x": 90, "y": 0, "width": 9, "height": 9, "label": "short"},
    ]
    boxes = [{"x": 0, "y": 0, "width": 10, "height": 10}]
    score.add(
        {"frame": "0", "ok": False, "defects": true}, {"detectedRectangles": boxes, "result": False, "score": 1.0}
    )
    assert (score.precision, score.recall, score.close_f1) == (1.0, 0.5, 0.0)
    assert score.missed == {"short": 1}
