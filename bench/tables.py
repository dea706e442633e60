"""Results as a Markdown document that also reads well in a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from bench.measurement import INSPECTION, OURS, PLAIN_LOOP, RECEIVER, SMALLEST, STAGES, Measurement, Results
from bench.targets import FEW, MANY, TARGETS, Pick, median, middle, over_limit, ratio, together

_UNKNOWN = "-"


class Setup(NamedTuple):
    """What was varied between the rows of one scenario and server."""

    cameras: int
    workers: int
    width_px: int
    height_px: int


class _Suite(NamedTuple):
    name: str
    title: str
    varied: tuple[str, ...] = ()


_SUITES = (
    _Suite("compare", "Side by side"),
    _Suite("cameras", "Number of cameras", ("cameras",)),
    _Suite("small", "Small frames", ("cameras",)),
    _Suite("size", "Size of frames", ("size",)),
    _Suite("workers", "Number of workers", ("workers",)),
    _Suite("pool", "The pool against inline", ("cameras",)),
    _Suite("models", "A detector of 10 MB at 640x640"),
)
_FIGURES = (
    "frames/s", "CPU ms/frame", "cameras' CPU", "p50 ms", "p99 ms", "p99.9 ms", "memory MiB", "errors", "starved",
    "of ours",
)  # fmt: skip


def markdown(results: Results) -> str:
    """Return the whole document; suites that were not run are left out."""
    parts = [_head(results)]
    for suite in _SUITES:
        parts += _suite(results.rows, suite)
        if suite.name == "compare":
            parts += [*_limits(results.rows), *_stages(results.rows)]
        if suite.name == "cameras":
            parts += _many(results.rows)
    parts += [*_memory(results.rows), *_takt(results.rows), *_facts(results), _targets(results)]
    return "\n\n".join(parts) + "\n"


def number(value: float | None) -> str:
    """Return three digits, or all of those before the point; a dash for what was not measured."""
    if value is None or not math.isfinite(value):
        return _UNKNOWN
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 100 or not rounded:
        return f"{round(value):,}"
    return f"{rounded:.{2 - math.floor(math.log10(abs(rounded)))}f}"


def table(words: Sequence[str], figures: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table in even columns: those headed by `words` to the left, those by `figures` to the right."""
    lines = [[*words, *figures], *(list(row) for row in rows)]
    widths = [max(3, *map(len, column)) for column in zip(*lines, strict=True)]
    rule = ["-" * width if at < len(words) else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    even = [
        [cell.ljust(width) if at < len(words) else cell.rjust(width) for at, (cell, width) in enumerate(cells)]
        for cells in (zip(line, widths, strict=True) for line in (lines[0], rule, *lines[1:]))
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in even)


def by_setup(rows: Iterable[Measurement]) -> dict[Setup, list[Measurement]]:
    """Return rows by what was varied, smallest first."""
    found: dict[Setup, list[Measurement]] = {}
    for row in rows:
        found.setdefault(Setup(row.cameras, row.workers, row.width_px, row.height_px), []).append(row)
    return dict(sorted(found.items(), key=lambda item: (*item[0][:2], item[0].width_px * item[0].height_px)))


def by_server(rows: Iterable[Measurement]) -> dict[str, list[Measurement]]:
    """Return rows by server: ours, the limits, then peers, the fastest first."""
    found: dict[str, list[Measurement]] = {}
    for row in rows:
        found.setdefault(row.server, []).append(row)
    first = (OURS, RECEIVER, PLAIN_LOOP, SMALLEST)
    places = {server: first.index(server) if server in first else len(first) for server in found}
    return dict(sorted(found.items(), key=lambda item: (places[item[0]], -(median(r.per_s for r in item[1]) or 0))))


def scenarios(rows: Iterable[Measurement]) -> list[str]:
    """Return the scenarios of `rows` in the order in which they were run."""
    return list(dict.fromkeys(row.scenario for row in rows))


def machine_line(results: Results) -> str:
    """Return the machine in one line."""
    forms = {
        "processor": "{}",
        "cores": "{} cores",
        "memory_gib": "{} GiB",
        "kernel": "kernel {}",
        "python": "Python {}",
    }
    return ", ".join(forms.get(name, name + " {}").format(value) for name, value in results.machine.items())


def _head(results: Results) -> str:
    lines = [
        "# Measurements",
        "",
        f"- Machine: {machine_line(results)}",
        f"- Made: {results.made}, commit {results.commit or 'unknown'}",
        f"- Frames: {results.picture or 'of a picture that was not noted'}",
        f"- Versions: {', '.join(f'{name} {version}' for name, version in results.versions.items())}",
        "",
        "Medians over rounds; ratios are medians of pairs of the same round, because machines drift. The cameras share",
        "the machine with the server. CPU is user and system time of a server's processes; the cameras' is apart.",
    ]
    return "\n".join(lines)


def _suite(rows: Sequence[Measurement], suite: _Suite) -> list[str]:
    rows = [row for row in rows if row.suite == suite.name]
    if not rows:
        return []
    parts = [f"## {suite.title}", _same(rows)]
    for scenario in scenarios(rows):
        chosen = [row for row in rows if row.scenario == scenario]
        lines = [
            [*_varied(setup, suite.varied), server, *_figures(alike, server)]
            for setup, alike in by_setup(chosen).items()
            for server in by_server(alike)
        ]
        heads = _FIGURES if len(by_server(chosen)) > 1 else _FIGURES[:-1]
        lines = [line[: len(suite.varied) + 1 + len(heads)] for line in lines]
        parts += [f"### {scenario}", table((*suite.varied, "server"), heads, lines), *_errors(chosen)]
    return parts


def _figures(rows: Sequence[Measurement], server: str) -> list[str]:
    """The figures of `server` among the rows of one scenario and setup."""
    one = middle([row for row in rows if row.server == server])
    theirs, ours = (Pick(one.suite, one.scenario, name) for name in (server, OURS))
    cpus = (one.cpu_ms, one.cameras_cpu_ms)
    values = (one.per_s, *cpus, one.p50_ms, one.p99_ms, one.p999_ms, one.memory_mib or None)
    return [*map(number, values), f"{one.errors:,}", str(one.starved), number(ratio(rows, theirs, ours))]


def _same(rows: Sequence[Measurement]) -> str:
    """What all rows have in common."""
    sizes = {f"{row.width_px}x{row.height_px}" for row in rows}
    cameras, workers = {row.cameras for row in rows}, {row.workers for row in rows}
    rounds = [len({row.round for row in own}) for own in by_server(rows).values()]
    words = [
        *(sizes if len(sizes) == 1 else ()),
        *(f"cameras: {count}" for count in cameras if len(cameras) == 1),
        *(f"workers: {count}" for count in workers if len(workers) == 1),
        f"rounds: {' to '.join(str(count) for count in sorted({min(rounds), max(rounds)}))}",
        f"seconds a round: {number(median(row.seconds for row in rows))}",
    ]
    return ", ".join(words)


def _varied(setup: Setup, names: Sequence[str]) -> list[str]:
    width_px, height_px = setup.width_px, setup.height_px
    size = f"{width_px}x{height_px} ({width_px * height_px / 1e6:.1f} MP)"
    texts = {"cameras": str(setup.cameras), "workers": str(setup.workers), "size": size}
    return [texts[name] for name in names]


def _errors(rows: Sequence[Measurement]) -> list[str]:
    """The first error of every server that made one."""
    merged = [middle(own) for own in by_server(rows).values()]
    lines = [f"- {one.server}, the first of {one.errors:,} errors: {one.first_error}" for one in merged if one.errors]
    return ["\n".join(lines)] if lines else []


def _limits(rows: Sequence[Measurement]) -> list[str]:
    lines = []
    for scenario in scenarios(rows):
        picks = [Pick("compare", scenario, server) for server in (OURS, RECEIVER, PLAIN_LOOP)]
        rounds = list(together(rows, *picks))
        if rounds:
            ours, receiver, loop = (middle(own) for own in zip(*rounds, strict=True))
            limit = median(a.cpu_ms + b.cpu_ms for _, a, b in rounds)
            cpus = (receiver.cpu_ms, loop.cpu_ms, limit, ours.cpu_ms, over_limit(rows, scenario))
            rates = (ratio(rows, picks[0], other) for other in picks[1:])
            lines.append([scenario, *map(number, (*cpus, *rates))])
    heads = ("receive", "plain loop", "limit", "ours", "ours/limit", "rate/receiver", "rate/plain loop")
    words = (
        "CPU ms/frame of the bare C receiver and of the plain loop, together the limit; and our rate against theirs."
    )
    return ["## How far from the limit", words, table(("scenario",), heads, lines)] if lines else []


def _many(rows: Sequence[Measurement]) -> list[str]:
    """What more cameras cost, and whom: the cores are shared, so what the cameras take no server can use."""
    lines = []
    for server in by_server(row for row in rows if row.suite == "cameras"):
        at_many, at_few = (Pick("cameras", "raw BGR", server, cameras) for cameras in (MANY, FEW))
        rounds = list(together(rows, at_many, at_few))
        if rounds:
            many, few = (middle(own) for own in zip(*rounds, strict=True))
            cpus = (few.cpu_ms, many.cpu_ms, few.cameras_cpu_ms, many.cameras_cpu_ms)
            most = median((b.cpu_ms + b.cameras_cpu_ms) / (b.cpu_ms + a.cameras_cpu_ms) for a, b in rounds)
            lines.append([server, str(len(rounds)), *map(number, (*cpus, ratio(rows, at_many, at_few), most))])
    cpu_heads = [f"{whose} at {cameras}" for whose in ("CPU", "cameras' CPU") for cameras in (FEW, MANY)]
    heads = ("rounds", *cpu_heads, f"rate {MANY}/{FEW}", "were the server's CPU constant")
    words = "Raw BGR; rounds in which no camera starved. CPU in ms/frame. The last is what the cameras' growth leaves."
    return [f"### From {FEW} cameras to {MANY}", words, table(("server",), heads, lines)] if lines else []


def _stages(rows: Sequence[Measurement]) -> list[str]:
    lines = []
    for scenario in scenarios(rows):
        stages = stages_ms(rows, scenario)
        if stages:
            lines.append([scenario, *(number(stages[name]) for name in STAGES), number(sum(stages.values()))])
    words = "Mean ms a frame by the server's own count."
    return ["## Where a frame's time goes", words, table(("scenario",), (*STAGES, "all"), lines)] if lines else []


def stages_ms(rows: Sequence[Measurement], scenario: str) -> dict[str, float]:
    """Return where a frame's time goes in our server, side by side with others; empty if not measured."""
    chosen = [row for row in Pick("compare", scenario, OURS).rows(rows).values() if row.stages_ms]
    return {name: middle(chosen).stages_ms.get(name, math.nan) for name in STAGES} if chosen else {}


def _memory(rows: Sequence[Measurement]) -> list[str]:
    chosen = sorted((row for row in rows if row.suite == "memory"), key=lambda row: row.frames)
    lines = []
    for server, own in by_server(chosen).items():
        start = own[0].memory_mib
        lines += [
            [server, f"{row.frames:,}", number(row.memory_mib), f"{row.memory_mib / start:.3f}" if start else _UNKNOWN]
            for row in own
        ]
    heads = ("frames", "memory MiB", "against first")
    return ["## Memory over many frames", _same(chosen), table(("server",), heads, lines)] if lines else []


def _takt(rows: Sequence[Measurement]) -> list[str]:
    chosen = [row for row in rows if row.suite == "takt"]
    lines = []
    for scenario in scenarios(chosen):
        for server, own in by_server(row for row in chosen if row.scenario == scenario).items():
            one = middle(own)
            counts = (one.frames, one.late, one.paused, one.errors)
            times = (one.p50_ms, one.p99_ms, one.p999_ms, max(row.longest_ms for row in own))
            lines.append([scenario, server, *(f"{count:,}" for count in counts), *map(number, times)])
    heads = ("frames", "late", "late in a pause", "errors", "p50 ms", "p99 ms", "p99.9 ms", "longest ms")
    words = (
        "Cameras at a fixed rate; a frame's time counts from when it was due. In a pause an idle process was late too."
    )
    parts = ["## In takt", words, _same(chosen), table(("scenario", "server"), heads, lines)] if lines else []
    return [*parts, *_errors(chosen)]


def _facts(results: Results) -> list[str]:
    parts = []
    seen = {name: value for name, value in results.facts.items() if name.startswith(INSPECTION)}
    rest = {name: value for name, value in results.facts.items() if name not in seen}
    if seen:
        words = (
            "CPU ms of one thread, the least of many, medians over frames; plain OpenCV: difference, threshold, pieces."
        )
        lines = [[name.removeprefix(INSPECTION), number(value)] for name, value in seen.items()]
        parts += ["## Inspection", words, table(("figure",), ("measured",), lines)]
    if rest:
        lines = [[name, number(value)] for name, value in rest.items()]
        parts += ["## Single figures", table(("figure",), ("measured",), lines)]
    return parts


def _targets(results: Results) -> str:
    lines = []
    for target in TARGETS:
        found = target.find(results)
        if found is None:
            lines.append([target.name, target.wanted, "", "not measured", _UNKNOWN])
        else:
            met = target.met(found.value)
            # more digits where three would seem to say the opposite
            text = number(found.value) if met == target.met(float(f"{found.value:.3g}")) else f"{found.value:.6g}"
            lines.append([target.name, target.wanted, found.against, "yes" if met else "NO", text])
    return "## Targets\n\n" + table(("target", "wanted", "against", "met"), ("found",), lines)
