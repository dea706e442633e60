"""Results as pictures, for readers with any colour vision.

Colours are those of Okabe and Ito ("Color Universal Design", 2008), without their yellow, which is lost on white. No
line is told by its colour alone: each has a marker and a dash of its own, and its name at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from bench.frames import SCENARIOS
from bench.measurement import OURS, STAGES, Measurement, Results
from bench.tables import by_server, by_setup, machine_line, number, scenarios, stages_ms
from bench.targets import is_peer, middle

_BLUE, _VERMILION, _GREEN, _ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
_PURPLE, _SKY, _BLACK, _GREY = "#CC79A7", "#56B4E9", "#000000", "#8C8C8C"
_TEXT, _FAINT = "#222222", "#666666"
_DPI = 150
_LABEL_GAP = 0.062  # of a panel's height: one line of text
_FONT: Any = {
    "font.size": 12,
    "axes.titlesize": 14,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": _TEXT,
    "axes.edgecolor": _FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "xtick.color": _TEXT,
    "ytick.color": _TEXT,
    "figure.facecolor": "white",
}
_BYTES_PER_PIXEL = {"raw": 3, "bayer": 1, "shared": 3}  # files are as large as their content makes them


class _Style(NamedTuple):
    colour: str
    marker: str
    dash: str | tuple[int, tuple[int, ...]]


class _Line(NamedTuple):
    name: str
    style: _Style
    points: Sequence[tuple[float, float]]


_STYLES = (
    _Style(_BLUE, "o", "-"),
    _Style(_VERMILION, "s", (0, (5, 2))),
    _Style(_GREEN, "^", (0, (1, 1))),
    _Style(_ORANGE, "D", (0, (6, 2, 1, 2))),
    _Style(_PURPLE, "v", (0, (3, 1))),
    _Style(_SKY, "P", (0, (3, 1, 1, 1, 1, 1))),
    _Style(_BLACK, "X", (0, (8, 2))),
    _Style(_GREY, "*", (0, (2, 2))),
)
_STAGE_COLOURS = dict(zip(STAGES, (_SKY, "#DDDDDD", _ORANGE, _BLUE, _GREEN, _PURPLE), strict=True))
_DARK = {_BLUE, _GREEN}


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw what was measured into `folder`, which must be there; return the PNG files, none for what was not run.

    Raises:
        OSError: a file cannot be written.
    """
    pictures: dict[str, Callable[[Results], Figure | None]] = {
        "rate-by-cameras.png": _rate_by_cameras,
        "p99-by-cameras.png": _p99_by_cameras,
        "stages.png": _stages,
        "rate-by-size.png": _rate_by_size,
        "rate-by-workers.png": _rate_by_workers,
    }
    files = []
    for name, make in pictures.items():
        with mpl.rc_context(_FONT):
            figure = make(results)
            if figure is not None:
                figure.text(0.01, 0.012, f"{machine_line(results)}; {results.made}", color=_FAINT, fontsize=9)
                figure.savefig(folder / name, dpi=_DPI)
                files.append(folder / name)
    return files


def _rate_by_cameras(results: Results) -> Figure | None:
    panels = _camera_panels(results.rows, lambda row: row.per_s)
    if not panels:
        return None
    figure, axes = _page("Frames per second by number of cameras (higher is better)", panels)
    for axis in axes:
        axis.set_ylim(bottom=0)
        _cameras_axis(axis, panels)
        axis.set_ylabel("frames/s")
    _label_all(axes, panels)
    return figure


def _p99_by_cameras(results: Results) -> Figure | None:
    panels = _camera_panels(results.rows, lambda row: row.p99_ms)
    if not panels:
        return None
    figure, axes = _page("Time that 99 of 100 frames stay below, by number of cameras (lower is better)", panels)
    for axis in axes:
        _logarithmic(axis)
        _cameras_axis(axis, panels)
        axis.set_ylabel("p99 in ms")
    _label_all(axes, panels)
    return figure


def _rate_by_size(results: Results) -> Figure | None:
    rates = _scenario_lines(results.rows, "size", _megapixels, lambda row: row.per_s)
    if not rates:
        return None
    bandwidths = [line for line in _scenario_lines(results.rows, "size", _megapixels, _mb_per_s) if line.points[0][1]]
    panels = {"Frames": rates} | ({"Pixel data": bandwidths} if bandwidths else {})
    figure, axes = _page("Rate by size of frames (higher is better)", panels)
    for axis, unit in zip(axes, ("frames/s", "MB/s"), strict=False):
        axis.set_xscale("log")
        _ticks(axis, panels, "frame size in megapixels")
        axis.set_ylabel(unit)
    _logarithmic(axes[0])
    for axis in axes[1:]:
        axis.set_ylim(bottom=0)
    _label_all(axes, panels)
    return figure


def _rate_by_workers(results: Results) -> Figure | None:
    panels = {"": _scenario_lines(results.rows, "workers", lambda row: row.workers, lambda row: row.per_s)}
    if not panels[""]:
        return None
    figure, axes = _page("Frames per second by number of workers (higher is better)", panels)
    axes[0].set_ylim(bottom=0)
    _ticks(axes[0], panels, "workers")
    axes[0].set_ylabel("frames/s")
    _label_all(axes, panels)
    return figure


def _stages(results: Results) -> Figure | None:
    bars = {name: found for name in scenarios(results.rows) if (found := stages_ms(results.rows, name))}
    if not bars:
        return None
    figure, (axis,) = _page("Where a frame's time goes", {"": []}, height_in=2.2 + 0.55 * len(bars))
    axis.set_position((0.13, 1.0 / figure.get_figheight(), 0.8, 1 - 2.2 / figure.get_figheight()))
    ends = dict.fromkeys(bars, 0.0)
    for stage in STAGES:
        lengths = [bars[name][stage] for name in bars]
        axis.barh(
            list(bars), lengths, left=list(ends.values()), label=stage, height=0.62,
            color=_STAGE_COLOURS[stage], edgecolor="white", linewidth=1.2,
        )  # fmt: skip
        ends = {name: end + bars[name][stage] for name, end in ends.items()}
    _write_in_bars(axis, bars, max(ends.values()))
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    axis.set_xlabel("mean time of a frame in ms")
    axis.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=len(STAGES), frameon=False, handlelength=1.1)
    return figure


def _write_in_bars(axis: Axes, bars: Mapping[str, Mapping[str, float]], longest_ms: float) -> None:
    for row, stages in enumerate(bars.values()):
        end = 0.0
        for stage, value in stages.items():
            if value > 0.055 * longest_ms:
                colour = _STAGE_COLOURS[stage]
                ink = "white" if colour in _DARK else _TEXT
                axis.text(end + value / 2, row, number(value), ha="center", va="center", color=ink, fontsize=10)
            end += value
        axis.text(end + 0.008 * longest_ms, row, number(end), va="center", color=_TEXT, fontweight="bold")


def _camera_panels(rows: Sequence[Measurement], figure: Callable[[Measurement], float]) -> dict[str, list[_Line]]:
    chosen = [row for row in rows if row.suite == "cameras" and (row.server == OURS or is_peer(row.server))]
    peers = sorted({row.server for row in rows if is_peer(row.server)})
    styles = dict(zip((OURS, *peers), (_STYLES[at % len(_STYLES)] for at in range(1 + len(peers))), strict=True))
    panels = {}
    for scenario in ("raw BGR", "BayerRG8"):
        servers = by_server(row for row in chosen if row.scenario == scenario)
        lines = [_line(name, styles[name], own, lambda row: row.cameras, figure) for name, own in servers.items()]
        if lines:
            panels[scenario] = lines
    return panels


def _scenario_lines(
    rows: Sequence[Measurement], suite: str, x: Callable[[Measurement], float], y: Callable[[Measurement], float]
) -> list[_Line]:
    styles = dict(zip(SCENARIOS, _STYLES, strict=True))
    chosen = [row for row in rows if (row.suite, row.server) == (suite, OURS)]
    return [
        _line(name, styles[name], [row for row in chosen if row.scenario == name], x, y) for name in scenarios(chosen)
    ]


def _line(
    name: str,
    style: _Style,
    rows: Sequence[Measurement],
    x: Callable[[Measurement], float],
    y: Callable[[Measurement], float],
) -> _Line:
    return _Line(name, style, [(x(one), y(one)) for one in map(middle, by_setup(rows).values())])


def _megapixels(row: Measurement) -> float:
    return row.width_px * row.height_px / 1e6


def _mb_per_s(row: Measurement) -> float:
    """Bytes of pixels as they were sent; 0 where a file format decides how many."""
    return row.per_s * _megapixels(row) * _BYTES_PER_PIXEL.get(SCENARIOS[row.scenario].form, 0)


def _page(title: str, panels: Mapping[str, Sequence[_Line]], height_in: float = 5.6) -> tuple[Figure, list[Axes]]:
    """Return a page with a panel of lines for each entry, with room for names at the lines' ends."""
    figure = Figure(figsize=(13 if len(panels) > 1 else 9, height_in))
    figure.suptitle(title, x=0.01, y=1 - 0.14 / height_in, ha="left", va="top", fontsize=16, color=_TEXT)
    figure.subplots_adjust(0.065, 0.165, 0.86, 0.83, wspace=0.62)
    axes = [figure.add_subplot(1, len(panels), at + 1) for at in range(len(panels))]
    for axis, (name, lines) in zip(axes, panels.items(), strict=True):
        axis.set_title(name)
        for line in lines:
            xs, ys = zip(*line.points, strict=True)
            ours = line.style is _STYLES[0]
            axis.plot(
                xs, ys, color=line.style.colour, marker=line.style.marker, linestyle=line.style.dash,
                linewidth=3 if ours else 1.8, markersize=8 if ours else 7, zorder=3 if ours else 2,
            )  # fmt: skip
    return figure, axes


def _cameras_axis(axis: Axes, panels: Mapping[str, Sequence[_Line]]) -> None:
    axis.set_xscale("log", base=2)
    _ticks(axis, panels, "cameras")


def _ticks(axis: Axes, panels: Mapping[str, Sequence[_Line]], name: str) -> None:
    """Mark the measured values, and nothing between them."""
    values = sorted({x for lines in panels.values() for line in lines for x, _ in line.points})
    axis.xaxis.set_major_locator(FixedLocator(values))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.2g}"))
    axis.set_xlabel(name)


def _logarithmic(axis: Axes) -> None:
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))


def _label_all(axes: Sequence[Axes], panels: Mapping[str, Sequence[_Line]]) -> None:
    for axis, lines in zip(axes, panels.values(), strict=True):
        _label_ends(axis, lines)


def _label_ends(axis: Axes, lines: Sequence[_Line]) -> None:
    """Write each line's name beside its last point, moved apart where they would touch."""
    to_panel = axis.transData + axis.transAxes.inverted()
    ends = sorted((tuple(to_panel.transform(line.points[-1])), line) for line in lines)
    by_height = sorted(ends, key=lambda end: end[0][1])
    heights = _apart([point[1] for point, _ in by_height])
    for ((x, y), line), height in zip(by_height, heights, strict=True):
        weight = "bold" if line.style is _STYLES[0] else "normal"
        axis.annotate(
            line.name, (x, y), (1.06, height), xycoords="axes fraction", textcoords="axes fraction", va="center",
            fontsize=11, color=_TEXT, fontweight=weight, annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": line.style.colour, "linewidth": 1, "shrinkA": 2, "shrinkB": 6},
        )  # fmt: skip


def _apart(heights: Sequence[float]) -> list[float]:
    """Return rising heights at least one line of text apart, none above the panel, each as near as that allows."""
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + _LABEL_GAP) if moved else height)
    top = 1.0
    for at in reversed(range(len(moved))):
        moved[at] = min(moved[at], top)
        top = moved[at] - _LABEL_GAP
    return moved
