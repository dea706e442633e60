"""What the server is to reach, as data, and how rows become one figure.

Ratios and differences are medians over pairs of the same round: two runs of one round lie next to each other in time,
so that a machine which drifts over minutes does not count for or against a server. A run in which a camera starved
makes no pair: who answers two of four cameras does another job, and does it faster.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from bench.measurement import INSPECTION, OURS, PLAIN_LOOP, RECEIVER, SMALLEST, STAGES, Measurement, Results

INLINE = "inline"
FEW, MANY = 4, 64  # cameras
_NOT_PEERS = {OURS, RECEIVER, PLAIN_LOOP, SMALLEST, INLINE}
_COUNTED = ("frames", "errors", "late", "paused", "starved")

Figure = Literal["per_s", "cpu_ms", "p50_ms", "p99_ms", "p999_ms", "longest_ms", "memory_mib", "cameras_cpu_ms"]


@dataclass(frozen=True, slots=True)
class Pick:
    """The rows of one server in one scenario. Without `cameras` all of them, and pairs have the same number."""

    suite: str
    scenario: str
    server: str
    cameras: int | None = None

    def rows(self, rows: Iterable[Measurement]) -> dict[tuple[int, ...], Measurement]:
        """Return the picked rows by what a pair must have in common: round, workers, size, cameras."""
        return {
            (row.round, row.workers, row.width_px, row.height_px, row.cameras if self.cameras is None else 0): row
            for row in rows
            if (row.suite, row.scenario, row.server) == (self.suite, self.scenario, self.server)
            and self.cameras in {None, row.cameras}
        }


def together(rows: Sequence[Measurement], *picks: Pick) -> Iterator[tuple[Measurement, ...]]:
    """Yield one row of every pick for each round that has all of them, and in which no camera starved."""
    fed = [row for row in rows if not row.starved]
    found = [pick.rows(fed) for pick in picks]
    for key in sorted(set(found[0]).intersection(*found)):
        yield tuple(one[key] for one in found)


def median(values: Iterable[float]) -> float | None:
    """Return the median of those that are numbers; None if none is."""
    known = [value for value in values if math.isfinite(value)]
    return statistics.median(known) if known else None


def ratio(rows: Sequence[Measurement], top: Pick, bottom: Pick, figure: Figure = "per_s") -> float | None:
    """Return the median of `top`'s figure over `bottom`'s, pair by pair; None where there is no pair."""
    pairs = ((getattr(a, figure), getattr(b, figure)) for a, b in together(rows, top, bottom))
    return median(a / b for a, b in pairs if b)


def over_limit(rows: Sequence[Measurement], scenario: str) -> float | None:
    """Return our CPU a frame over that of the bare receiver and the plain loop together; None if one is missing."""
    picks = [Pick("compare", scenario, server) for server in (OURS, RECEIVER, PLAIN_LOOP)]
    least = ((ours.cpu_ms, receiver.cpu_ms + loop.cpu_ms) for ours, receiver, loop in together(rows, *picks))
    return median(ours / limit for ours, limit in least if limit)


def middle(rows: Sequence[Measurement]) -> Measurement:
    """Return the rounds of one setup as one row: the median of every figure, the sum of frames, errors and late ones.

    A figure that no round knows is NaN.
    """
    stages = {stage: median(row.stages_ms.get(stage, math.nan) for row in rows) for stage in STAGES}
    changes: dict[str, Any] = {
        "stages_ms": {stage: value for stage, value in stages.items() if value is not None},
        "first_error": next((row.first_error for row in rows if row.first_error), ""),
    }
    for name in ("seconds", *get_args(Figure)):
        found = median(getattr(row, name) for row in rows)
        changes[name] = math.nan if found is None else found
    for name in _COUNTED:
        changes[name] = sum(getattr(row, name) for row in rows)
    return replace(rows[0], **changes)


def best_peer(rows: Sequence[Measurement], suite: str, scenario: str, cameras: int | None = None) -> str | None:
    """Return the peer that comes nearest to our rate, pair by pair; None if no peer was measured."""
    ours = Pick(suite, scenario, OURS, cameras)
    peers = {row.server for row in rows if (row.suite, row.scenario) == (suite, scenario) and is_peer(row.server)}
    leads = {peer: ratio(rows, ours, Pick(suite, scenario, peer, cameras)) for peer in peers}
    known = {peer: lead for peer, lead in leads.items() if lead is not None}
    return min(known, key=lambda peer: known[peer]) if known else None


def is_peer(server: str) -> bool:
    """Say whether `server` is what a user would pick instead of ours."""
    return server not in _NOT_PEERS


@dataclass(frozen=True, slots=True)
class Found:
    """A target's figure as measured, and what it was measured against or over."""

    value: float
    against: str = ""


Question = Callable[[Results], Found | None]


@dataclass(frozen=True, slots=True)
class Target:
    """What is wanted: a figure that is at least, or at most, `limit` (in `unit`; none for a ratio).

    `find` returns None where a run did not measure it.
    """

    name: str
    sign: Literal["<=", ">="]
    limit: float
    find: Question
    unit: str = ""

    @property
    def wanted(self) -> str:
        """The limit as text."""
        return f"{self.sign} {self.limit:g} {self.unit}".rstrip()

    def met(self, value: float) -> bool:
        """Say whether `value` reaches it; the limit itself does."""
        return value <= self.limit if self.sign == "<=" else value >= self.limit


def _found(value: float | None, against: str = "") -> Found | None:
    return None if value is None else Found(value, against)


def _against(server: str, scenario: str, suite: str = "compare") -> Question:
    return lambda results: _found(
        ratio(results.rows, Pick(suite, scenario, OURS), Pick(suite, scenario, server)), server
    )


def _against_limit(scenario: str) -> Question:
    return lambda results: _found(over_limit(results.rows, scenario), f"{RECEIVER} + {PLAIN_LOOP}")


def _against_best(
    scenario: str, suite: str = "compare", cameras: int | None = None, figure: Figure = "per_s"
) -> Question:
    def find(results: Results) -> Found | None:
        peer = best_peer(results.rows, suite, scenario, cameras)
        if peer is None:
            return None
        ours, theirs = (Pick(suite, scenario, server, cameras) for server in (OURS, peer))
        return _found(ratio(results.rows, ours, theirs, figure), peer)

    return find


def _shared_rate(results: Results) -> Found | None:
    shared, raw = (Pick("compare", scenario, OURS) for scenario in ("shared memory", "raw BGR"))
    return _found(ratio(results.rows, shared, raw), "raw BGR, same server")


def _shared_p50(results: Results) -> Found | None:
    for suite, cameras in (("cameras", 1), ("compare", None)):
        rows = Pick(suite, "shared memory", OURS, cameras).rows(results.rows).values()
        value = median(row.p50_ms for row in rows)
        if value is not None:
            return Found(value, f"cameras: {next(iter(rows)).cameras}")
    return None


def _pool_overhead(results: Results) -> Found | None:
    """Of all scenarios that the suite has, the one where the pool costs most."""
    found = []
    for scenario in {row.scenario: None for row in results.rows if row.suite == "pool"}:
        picks = (Pick("pool", scenario, server, 1) for server in (OURS, INLINE))
        added_ms = median(ours.p50_ms - inline.p50_ms for ours, inline in together(results.rows, *picks))
        if added_ms is not None:
            found.append(Found(added_ms, scenario))
    return max(found, key=lambda one: one.value, default=None)


def _many_against_few(figure: Figure) -> Question:
    many, few = (Pick("cameras", "raw BGR", OURS, cameras) for cameras in (MANY, FEW))
    return lambda results: _found(ratio(results.rows, many, few, figure), f"{FEW} cameras")


def _memory_growth(results: Results) -> Found | None:
    rows = sorted(
        (row for row in results.rows if (row.suite, row.server) == ("memory", OURS)), key=lambda row: row.frames
    )
    if len(rows) < 2 or not rows[0].memory_mib:
        return None
    return Found(rows[-1].memory_mib / rows[0].memory_mib, f"{rows[-1].frames:,} to {rows[0].frames:,} frames")


def _not_in_time(results: Results) -> Found | None:
    """An error is no answer in time either, however fast it came."""
    rows = [row for row in results.rows if (row.suite, row.server) == ("takt", OURS)]
    if not rows:
        return None
    total = middle(rows)
    return Found(total.late - total.paused + total.errors, f"of {total.frames:,}; {total.paused:,} more in pauses")


def _starved(results: Results) -> Found | None:
    rows = [row for row in results.rows if (row.suite, row.server) in {("compare", OURS), ("cameras", OURS)}]
    return Found(sum(row.starved for row in rows), f"in {len(rows)} runs") if rows else None


def _fact(name: str) -> Question:
    return lambda results: _found(results.facts.get(name))


def _inspected(name: str) -> Question:
    return _fact(INSPECTION + name)


TARGETS = (
    Target("raw BGR: frames/s against the bare C receiver", ">=", 0.85, _against(RECEIVER, "raw BGR")),
    Target("raw BGR: server CPU a frame against the limit", "<=", 1.2, _against_limit("raw BGR")),
    Target("BayerRG8: server CPU a frame against the limit", "<=", 1.2, _against_limit("BayerRG8")),
    Target("raw BGR: frames/s against the best peer", ">=", 2.0, _against_best("raw BGR")),
    Target("BayerRG8: frames/s against the best peer", ">=", 1.25, _against_best("BayerRG8")),
    Target("BayerRG8, 1 camera: p50 against best peer's", "<=", 1.0, _against_best("BayerRG8", "cameras", 1, "p50_ms")),
    Target("JPEG: frames/s against the plain loop", ">=", 0.9, _against(PLAIN_LOOP, "JPEG")),
    Target("annotated: frames/s against the best peer", ">=", 4.0, _against_best("annotated")),
    Target("shared memory: frames/s against raw BGR", ">=", 2.5, _shared_rate),
    Target("shared memory: p50", "<=", 0.6, _shared_p50, "ms"),
    Target("pool: p50 added to inline, 1 camera", "<=", 0.1, _pool_overhead, "ms"),
    Target("64 cameras: frames/s against 4", ">=", 0.95, _many_against_few("per_s")),
    Target("64 cameras: p99 against 4", "<=", 16.0, _many_against_few("p99_ms")),
    Target("memory after most frames against fewest", "<=", 1.02, _memory_growth),
    Target("takt: frames without an answer in time", "<=", 0, _not_in_time, "frames"),
    Target("cameras with less than a quarter of their share", "<=", 0, _starved, "cameras"),
    Target("start to ready", "<=", 2.0, _fact("ready_s"), "s"),
    Target("memory beyond the frame memory, idle", "<=", 250.0, _fact("own_mib"), "MiB"),
    Target("death of a worker to full capacity, median", "<=", 50.0, _fact("recovery_median_ms"), "ms"),
    Target("reference, pairs: precision at IoU 0.1", ">=", 0.97, _inspected("reference_pairs_precision")),
    Target("reference, pairs: recall at IoU 0.1", ">=", 0.975, _inspected("reference_pairs_recall")),
    Target("reference, pairs: F at IoU 0.33", ">=", 0.97, _inspected("reference_pairs_f1_at_033")),
    Target("reference, pairs: CPU a frame", "<=", 3.0, _inspected("reference_pairs_ms"), "ms"),
    Target("reference, stitched boards: false OK", "<=", 0, _inspected("reference_stitched_false_ok"), "frames"),
    Target("reference, stitched boards: false NOK", "<=", 0, _inspected("reference_stitched_false_nok"), "frames"),
    Target("codes, plain: read of 10, worst format", ">=", 10, _inspected("codes_least_plain_read_of_10")),
    Target("codes, any angle: read of 10, worst format", ">=", 10, _inspected("codes_least_any_angle_read_of_10")),
    Target("codes, inverted: read of 10, worst format", ">=", 10, _inspected("codes_least_inverted_read_of_10")),
    Target("codes, one format read at once: CPU a frame", "<=", 15.0, _inspected("codes_at_once_ms"), "ms"),
    Target("detector, raw BGR: frames/s against the plain loop", ">=", 0.9, _against(PLAIN_LOOP, "raw BGR", "models")),
    Target("detector, JPEG: frames/s against the plain loop", ">=", 0.9, _against(PLAIN_LOOP, "JPEG", "models")),
    Target("detector, raw BGR: frames/s against the best peer", ">=", 1.1, _against_best("raw BGR", "models")),
    Target("detector, JPEG: frames/s against the best peer", ">=", 1.1, _against_best("JPEG", "models")),
    Target("the example's colour frame: CPU of its flow", "<=", 12.0, _inspected("example_board_ms"), "ms"),
)  # fmt: skip
