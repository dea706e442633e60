"""What `framemill bench` says: a table as it grows, sentences for people, one document for scripts."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import orjson

from service.trial.machine import machine
from workers.machine import cores

if TYPE_CHECKING:
    from service.settings import Settings
    from service.trial.search import Found
    from service.trial.step import LoadStep
    from workers.pixels.camera_frames import CameraFrame, Form

_BUSY = 0.25  # of its cores: other programs take what cameras could have had
TABLE_HEAD = "cameras  frames/s  answered    p50 ms    p99 ms  p99.9 ms  errors  server cores"


@dataclass(frozen=True, slots=True)
class Line:
    """The line that is asked about: its project, what its cameras send and when, and how it is tried."""

    project: str
    settings: Settings
    form: Form
    frames: list[CameraFrame]
    takt_ms: float
    step_s: float
    max_cameras: int
    load_average: float  # of the machine, before


def table_row(step: LoadStep) -> str:
    """Return a row below TABLE_HEAD; a step that failed has a mark at its end."""
    wanted = "all" if step.wanted_per_s is None else f"{step.wanted_per_s:.0f}"
    return (
        f"{step.cameras:7}  {wanted:>8}  {step.answered_per_s:8.0f}  {step.p50_ms:8.1f}  {step.p99_ms:8.1f}  "
        f"{step.p999_ms:8.1f}  {step.errors:6}  {step.server_cores:12.2f}{'  failed' if step.why else ''}"
    )


def summary(line: Line, found: Found) -> list[str]:
    """Return the sentences that the command ends with, the answer first."""
    said = [_answer(line, found)]
    if found.first_failed is not None:
        said.append(f"First to fail: {_load_words(found.first_failed, line)}: {found.first_failed.why}.")
    elif found.sustained is not None:
        said.append("No step failed: it may sustain more than --max-cameras.")
    most = found.ceiling
    said.append(
        f"As fast as answers come, with {_cameras(most.cameras)}: {most.answered_per_s:.0f} frames/s at p99 "
        f"{most.p99_ms:.1f} ms{f', {most.errors} errors' if most.errors else ''}."
    )
    if found.sustained is not None:
        said.append(
            f"The cameras of this measurement kept {found.sustained.cameras_cores:.2f} cores of this machine busy "
            "themselves; on a line they do not."
        )
    if line.load_average > _BUSY * cores():
        said.append(
            f"Other programs were busy here too (load average {line.load_average:.1f} before the start): "
            "measure again without them."
        )
    return said


def document(line: Line, found: Found) -> str:
    """Return everything as JSON, units in the names."""
    content = {
        "project": line.project,
        "sent_as": line.form,
        "frames": [
            {"kind": frame.kind, "width_px": frame.width_px, "height_px": frame.height_px, "bytes": len(frame.body)}
            for frame in line.frames
        ],
        "takt_ms": line.takt_ms,
        "step_s": line.step_s,
        "max_cameras": line.max_cameras,
        "workers": line.settings.workers,
        "fronts": line.settings.fronts,
        "sustained": found.sustained and asdict(found.sustained),
        "first_failed": found.first_failed and asdict(found.first_failed),
        "alone": asdict(found.alone),
        "steps": [asdict(step) for step in found.steps],
        "ceiling": asdict(found.ceiling),
        "machine": {**machine(), "load_average_before": line.load_average},
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()


def _answer(line: Line, found: Found) -> str:
    kinds = " and ".join(sorted({frame.kind for frame in line.frames}))
    number = len(line.frames)
    with_what = f"With project {line.project!r} and {number} frame{'s' if number > 1 else ''} ({_sizes(line)}, {kinds})"
    if (best := found.sustained) is not None:
        return (
            f"{with_what} this machine sustains {best.wanted_per_s:.0f} frames/s at p99 {best.p99_ms:.1f} ms: "
            f"{_cameras(best.cameras)}, one frame each {line.takt_ms:g} ms."
        )
    alone = found.alone
    said = (
        f"{with_what} this machine does not sustain one camera with a frame each {line.takt_ms:g} ms. One camera "
        f"that waits for its answers gets {alone.answered_per_s:.1f} a second, p50 {alone.p50_ms:.1f} ms, "
        f"p99 {alone.p99_ms:.1f} ms"
    )
    if alone.errors:
        return f"{said}, and {alone.why}."
    if alone.p99_ms <= line.takt_ms:
        return f"{said}; on schedule it failed twice."
    return (
        f"{said}: a takt of {math.ceil(alone.p99_ms)} ms would do. Make the flow lighter, or give it more time "
        "(--takt-ms); more workers help with more cameras only."
    )


def _sizes(line: Line) -> str:
    sizes = sorted({(frame.width_px * frame.height_px, frame.width_px, frame.height_px) for frame in line.frames})
    ends = dict.fromkeys(f"{width}x{height}" for _, width, height in (sizes[0], sizes[-1]))
    return " to ".join(ends)


def _load_words(step: LoadStep, line: Line) -> str:
    return f"{_cameras(step.cameras)}, one frame each {line.takt_ms:g} ms"


def _cameras(number: int) -> str:
    return f"{number} camera{'s' if number > 1 else ''}"
