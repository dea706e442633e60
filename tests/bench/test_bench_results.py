"""What is made from measured rows: medians, ratios of pairs, targets, tables, plots, and comparisons."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest

from bench.measurement import OURS, PLAIN_LOOP, RECEIVER, STAGES, Measurement, Results
from bench.plots import draw
from bench.tables import markdown, number
from bench.targets import TARGETS, best_peer, over_limit
from tests.support.running import CHECKOUT

MACHINE: dict[str, str | int] = {"processor": "test", "cores": 2, "memory_gib": 4, "kernel": "1", "python": "3"}


def row(suite: str, scenario: str, server: str, round_: int, per_s: float, **changes: Any) -> Measurement:
    made = Measurement(
        suite=suite, scenario=scenario, server=server, round=round_, cameras=4, workers=2, width_px=1920,
        height_px=1024, frames=100, errors=0, seconds=1.0, per_s=per_s, cpu_ms=1.0, p50_ms=2.0, p99_ms=3.0,
        p999_ms=4.0, longest_ms=5.0, memory_mib=100.0,
    )  # fmt: skip
    return replace(made, **changes)


def results(*rows: Measurement, **changes: Any) -> Results:
    return replace(Results(MACHINE, "2026-01-01T00:00:00+00:00", "abc", {"framemill": "1"}, {}, list(rows)), **changes)


def test_the_page_says_which_picture_its_figures_are_of() -> None:
    assert "- Frames: a drawn board\n" in markdown(results(picture="a drawn board"))
    assert "- Frames: of a picture that was not noted\n" in markdown(results())


def drifting() -> list[Measurement]:
    """Three rounds on a machine that slows down by half: ours is always twice the peer and 0.9 of the receiver."""
    rows = []
    for number_, speed in enumerate((1000.0, 700.0, 500.0)):
        rows += [
            row("compare", "raw BGR", OURS, number_, speed, cpu_ms=1.1, stages_ms=dict.fromkeys(STAGES, 0.5)),
            row("compare", "raw BGR", "Falcon on gunicorn", number_, speed / 2),
            row("compare", "raw BGR", "mosec", number_, speed / 3),
            row("compare", "raw BGR", RECEIVER, number_, speed / 0.9, cpu_ms=0.8),
            row("compare", "raw BGR", PLAIN_LOOP, number_, 5e4, cpu_ms=0.2),
        ]
    return rows


def found(name: str, given: Results) -> tuple[float, bool] | None:
    target = next(target for target in TARGETS if target.name == name)
    answer = target.find(given)
    return None if answer is None else (round(answer.value, 6), target.met(answer.value))


def test_results_come_back_as_they_were_written(tmp_path: Path) -> None:
    made = results(*drifting(), facts={"ready_s": 1.5})
    made.write(tmp_path / "r.json")
    assert Results.read(tmp_path / "r.json") == made


def test_what_has_no_figure_is_null_in_the_file(tmp_path: Path) -> None:
    results(row("compare", "raw BGR", PLAIN_LOOP, 0, 1.0, p50_ms=math.nan)).write(tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["rows"][0]["p50_ms"] is None
    assert math.isnan(Results.read(tmp_path / "r.json").rows[0].p50_ms)


def test_ratios_are_those_of_pairs_whatever_the_machine_does_between_rounds() -> None:
    made = results(*drifting())
    assert best_peer(made.rows, "compare", "raw BGR") == "Falcon on gunicorn"
    assert found("raw BGR: frames/s against the best peer", made) == (2.0, True)
    assert found("raw BGR: frames/s against the bare C receiver", made) == (0.9, True)
    assert over_limit(made.rows, "raw BGR") == pytest.approx(1.1)
    assert found("raw BGR: server CPU a frame against the limit", made) == (1.1, True)


def test_a_target_that_is_missed_says_no_and_one_not_measured_says_so() -> None:
    rows = [replace(one, per_s=one.per_s * 0.5) if one.server == OURS else one for one in drifting()]
    made = results(*rows, facts={"ready_s": 2.5})
    assert found("raw BGR: frames/s against the best peer", made) == (1.0, False)
    assert found("start to ready", made) == (2.5, False)
    assert found("JPEG: frames/s against the plain loop", made) is None
    lines = {line.split("|")[1].strip(): line for line in markdown(made).splitlines() if line.startswith("| ")}
    assert "NO" in lines["raw BGR: frames/s against the best peer"]
    assert "not measured" in lines["JPEG: frames/s against the plain loop"]


def test_a_late_frame_counts_unless_the_machine_paused_and_an_error_counts_always() -> None:
    name = "takt: frames without an answer in time"
    assert found(name, results(row("takt", "BayerRG8", OURS, 0, 200, late=3, paused=3))) == (0, True)
    assert found(name, results(row("takt", "BayerRG8", OURS, 0, 200, late=3, paused=2))) == (1, False)
    assert found(name, results(row("takt", "BayerRG8", OURS, 0, 200, errors=1))) == (1, False)


def test_a_run_in_which_a_camera_starved_makes_no_pair_and_ours_is_told() -> None:
    rows = [
        replace(one, starved=2, per_s=9e9) if (one.server, one.round) == ("mosec", 0) else one for one in drifting()
    ]
    assert best_peer(rows, "compare", "raw BGR") == "Falcon on gunicorn"
    table = [line for line in markdown(results(*rows)).splitlines() if line.startswith(("| server ", "| mosec "))]
    assert [line.split("|")[10].strip() for line in table] == ["starved", "2"]
    name = "cameras with less than a quarter of their share"
    assert found(name, results(*rows)) == (0, True)
    assert found(name, results(*rows, row("cameras", "raw BGR", OURS, 0, 1, starved=1))) == (1, False)


def test_what_64_cameras_cost_is_told_apart_from_what_they_take_themselves() -> None:
    few = row("cameras", "raw BGR", OURS, 0, 800, cpu_ms=1.0, cameras_cpu_ms=1.0)
    many = replace(few, cameras=64, per_s=600, cpu_ms=1.25, cameras_cpu_ms=1.5)
    starved = [replace(few, server=RECEIVER), replace(many, server=RECEIVER, starved=9)]
    text = markdown(results(few, many, *starved)).split("### From 4 cameras to 64")[1].split("##")[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")]
    assert [line[0] for line in lines] == ["server", "---------", OURS]
    assert lines[-1][1:] == ["1", "1.00", "1.25", "1.00", "1.50", "0.750", "0.800"]


def test_memory_is_that_of_most_frames_over_that_of_fewest() -> None:
    rows = [row("memory", "mixed", OURS, 0, 1, frames=frames, memory_mib=mib) for frames, mib in ((2000, 100), (9, 99))]
    assert found("memory after most frames against fewest", results(*rows)) == (round(100 / 99, 6), True)


def test_tables_hold_medians_and_leave_out_what_did_not_run() -> None:
    text = markdown(results(*drifting()))
    ours = next(line for line in text.splitlines() if line.startswith("| framemill"))
    assert ours.split("|")[2].strip() == "700"
    assert "## Side by side" in text
    assert "## Number of cameras" not in text
    widths = {len(line) for line in text.split("### raw BGR")[1].split("##")[0].splitlines() if line.startswith("|")}
    assert len(widths) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1,234"), (0.01234, "0.0123"), (9.996, "10.0"), (0, "0"), (None, "-"), (float("nan"), "-")],
)
def test_numbers_have_three_digits(value: float | None, text: str) -> None:
    assert number(value) == text


def test_plots_are_pictures(tmp_path: Path) -> None:
    rows = drifting()
    for cameras in (1, 4, 64):
        for server in (OURS, "mosec", "Falcon on gunicorn"):
            rows += [
                row("cameras", name, server, 0, 100 + cameras, cameras=cameras) for name in ("raw BGR", "BayerRG8")
            ]
    rows += [row("size", "raw BGR", OURS, 0, 9e3 / px, width_px=px, height_px=px) for px in (500, 5000)]
    rows += [row("workers", "JPEG", OURS, 0, 100 * workers, workers=workers) for workers in (1, 2)]
    files = draw(results(*rows), tmp_path)
    assert len(files) == 5
    for file in files:
        image = cv2.imread(str(file))
        assert image is not None
        assert image.shape[1] > 1000
        assert image.std() > 5


def test_a_server_without_a_right_answer_and_a_suite_of_another_job_break_no_plot(tmp_path: Path) -> None:
    failed: dict[str, Any] = {"per_s": 0.0, "p99_ms": 0.0, "errors": 100}
    rows = [row("cameras", "raw BGR", name, 0, 100, cameras=cameras) for name in (OURS, "mosec") for cameras in (1, 64)]
    rows = [replace(one, **failed) if one.server == "mosec" else one for one in rows]
    files = draw(results(*rows, row("memory", "mixed", OURS, 0, 100)), tmp_path)
    assert [file.name for file in files] == ["rate-by-cameras.png", "p99-by-cameras.png"]


def _compare(old: Path, new: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.compare", str(old), str(new)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_two_results_of_one_machine_are_compared(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    results(*drifting()).write(old)
    results(*(replace(one, per_s=2 * one.per_s, cpu_ms=one.cpu_ms / 2) for one in drifting())).write(new)
    done = _compare(old, new)
    assert done.returncode == 0, done.stderr
    ours = next(line for line in done.stdout.splitlines() if f"| {OURS}" in line)
    assert [cell.strip() for cell in ours.split("|")[7:9]] == ["2.00", "0.500"]
    assert "**-50.0%**" in ours


def test_results_of_two_machines_are_not_compared(tmp_path: Path) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    results(*drifting()).write(old)
    results(*drifting(), machine={**MACHINE, "cores": 16}).write(new)
    done = _compare(old, new)
    assert done.returncode == 3
    assert done.stdout == ""
    assert "cores 2 against 16" in done.stderr


def test_a_file_that_is_no_results_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    done = _compare(tmp_path / "x.json", tmp_path / "none.json")
    assert done.returncode == 2
    assert "x.json" in done.stderr
