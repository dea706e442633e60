"""What the chaos runs found: a line of JSON each in the folder SOAK_OUT, and a table at the end of the run."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.soak.kit.cameras import Answer

_figures: list[dict[str, Any]] = []


def quantile_ms(answers: Sequence[Answer], share: float) -> float:
    """The time in milliseconds that this share of the answers needed at most; 0 for none."""
    ordered = sorted(answer.took_s for answer in answers)
    return round(1e3 * ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1) if ordered else 0.0


def summary(answers: Sequence[Answer]) -> dict[str, Any]:
    """Count answers by status, and lost ones by how; times are those of frames that were analysed."""
    good = [answer for answer in answers if answer.status == 200]
    return {
        "frames": len(answers),
        "statuses": dict(Counter(f"{a.status} {a.code}".strip() for a in answers if a.status)),
        "lost": dict(Counter(answer.lost for answer in answers if answer.lost)),
        "wrong": sum(1 for answer in answers if answer.wrong),
        "p50_ms": quantile_ms(good, 0.5),
        "p99_ms": quantile_ms(good, 0.99),
        "longest_ms": quantile_ms(answers, 1.0),
    }


def report(scenario: str, figures: dict[str, Any], broken: Sequence[str]) -> None:
    """Write down what a scenario measured, and which promises it found broken."""
    line = {"scenario": scenario, "version": version("framemill"), **figures, "broken": list(broken)}
    _figures.append(line)
    if folder := os.environ.get("SOAK_OUT"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        with (Path(folder) / "soak.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print all figures as a table (a hook of pytest's, imported by conftest.py)."""
    if not _figures:
        return
    terminalreporter.section("chaos runs")
    for line in _figures:
        rest = {name: value for name, value in line.items() if name not in {"scenario", "version", "broken"}}
        said = ", ".join(f"{name} {value}" for name, value in rest.items())
        terminalreporter.write_line(f"{'BROKEN ' if line['broken'] else ''}{line['scenario']}: {said}")
