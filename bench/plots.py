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
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, Locator, LogLocator, NullLocator, PercentFormatter

from bench.frames import SCENARIOS
from bench.measurement import OURS, STAGES, Measurement, Results
from bench.tables import by_server, by_setup, machine_line, number, scenarios, stages_ms
from bench.targets import is_peer, middle

_BLUE, _VERMILION, _GREEN, _ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
_PURPLE, _SKY, _BLACK, _GREY = "#CC79A7", "#56B4E9", "#000000", "#8C8C8C"
_TEXT, _FAINT, _PALE = "#222222", "#666666", "#DDDDDD"
_DPI = 150
_LABEL_GAP = 0.062  # of a panel's height: one line of text
_LOOK: dict[Any, Any] = {
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
}
_BYTES_PER_PIXEL = {"raw": 3, "bayer": 1, "shared": 3}  # of a JPEG or PNG, its content decides

Value = Callable[[Measurement], float]


class _Style(NamedTuple):
    colour: str
    marker: str
    dash: str | tuple[int, tuple[int, ...]]


class _Line(NamedTuple):
    name: str
    style: _Style
    points: Sequence[tuple[float, float]]


class _Panel(NamedTuple):
    title: str
    unit: str
    lines: Sequence[_Line]
    logarithmic: bool = False


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
_STAGE_COLOURS = dict(zip(STAGES, (_SKY, _PALE, _ORANGE, _BLUE, _VERMILION, _PURPLE), strict=True))


def draw(results: Results, folder: Path) -> list[Path]:
    """Draw what was measured into `folder`, which must exist; return the PNG files. Suites that were not run have none.

    Raises:
        OSError: a file cannot be written.
    """
    pictures: Mapping[str, Callable[[Sequence[Measurement]], Figure | None]] = {
        "rate-by-cameras.png": _rate_by_cameras,
        "p99-by-cameras.png": _p99_by_cameras,
        "stages.png": _stages,
        "rate-by-size.png": _rate_by_size,
        "rate-by-workers.png": _rate_by_workers,
    }
    files = []
    for name, make in pictures.items():
        with mpl.rc_context(_LOOK):
            figure = make(results.rows)
            if figure is not None:
                figure.text(0.01, 0.015, f"{machine_line(results)}; {results.made}", color=_FAINT, fontsize=9)
                figure.savefig(folder / name, dpi=_DPI)
                files.append(folder / name)
    return files


def _rate_by_cameras(rows: Sequence[Measurement]) -> Figure | None:
    panels = [_Panel(name, "frames/s", lines) for name, lines in _by_cameras(rows, lambda row: row.per_s).items()]
    return _page("Frames per second by number of cameras (higher is better)", panels, "cameras")


def _p99_by_cameras(rows: Sequence[Measurement]) -> Figure | None:
    panels = [
        _Panel(name, "p99 in ms", lines, True) for name, lines in _by_cameras(rows, lambda row: row.p99_ms).items()
    ]
    return _page(
        "99 of 100 frames are answered within this time, by number of cameras (lower is better)", panels, "cameras"
    )


def _rate_by_size(rows: Sequence[Measurement]) -> Figure | None:
    pixels = [row for row in rows if row.suite == "size" and SCENARIOS[row.scenario].form in _BYTES_PER_PIXEL]
    panels = [
        _Panel("Frames", "frames/s", _by_scenario(rows, "size", _megapixels, lambda row: row.per_s), True),
        _Panel("Pixel data", "MB/s", _by_scenario(pixels, "size", _megapixels, _mb_per_s)),
    ]
    return _page("Rate by size of frames (higher is better)", panels, "frame size in megapixels")


def _rate_by_workers(rows: Sequence[Measurement]) -> Figure | None:
    lines = _by_scenario(rows, "workers", lambda row: row.workers, lambda row: row.per_s)
    return _page(
        "Frames per second by number of workers (higher is better)", [_Panel("", "frames/s", lines)], "workers"
    )


def _stages(rows: Sequence[Measurement]) -> Figure | None:
    """Shares, not times: a raw frame and a PNG differ by an order of magnitude. The times are written in the bars."""
    bars = {name: found for name in scenarios(rows) if (found := stages_ms(rows, name))}
    if not bars:
        return None
    height_in = 2.4 + 0.5 * len(bars)
    figure = _titled("Where a frame's time goes (mean times in ms)", 11, height_in)
    axis = figure.add_axes((0.14, 1.0 / height_in, 0.77, 1 - 2.2 / height_in))
    for row, stages in enumerate(bars.values()):
        _bar(axis, row, stages)
    axis.set_yticks(range(len(bars)), list(bars))
    axis.set_xlim(0, 1)
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.tick_params(axis="y", length=0)
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    axis.set_xlabel("share of the time in the server")
    axis.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=len(STAGES), frameon=False, handlelength=1.1)
    return figure


def _bar(axis: Axes, row: int, stages: Mapping[str, float]) -> None:
    total_ms = sum(stages.values())
    end = 0.0
    for stage, value_ms in stages.items():
        colour, share = _STAGE_COLOURS[stage], value_ms / total_ms if total_ms else 0.0
        name = "_" + stage if row else stage  # the first bar's names alone make the legend
        axis.barh(row, share, left=end, height=0.66, color=colour, edgecolor="white", linewidth=0.8, label=name)
        if share > 0.055:
            ink = "white" if colour == _BLUE else _TEXT
            axis.text(end + share / 2, row, number(value_ms), ha="center", va="center", color=ink, fontsize=10)
        end += share
    axis.text(1.015, row, f"{number(total_ms)} ms", va="center", color=_TEXT, fontweight="bold")


def _by_cameras(rows: Sequence[Measurement], value: Value) -> dict[str, list[_Line]]:
    """Our server and peers, for each scenario that has a panel; a server looks the same in all pictures."""
    peers = sorted({row.server for row in rows if is_peer(row.server)})
    others = _STYLES[1:]
    styles = {OURS: _STYLES[0]} | {peer: others[at % len(others)] for at, peer in enumerate(peers)}
    panels = {}
    for scenario in ("raw BGR", "BayerRG8"):
        chosen = [row for row in rows if (row.suite, row.scenario) == ("cameras", scenario) and row.server in styles]
        lines = [
            _line(name, styles[name], own, lambda row: row.cameras, value) for name, own in by_server(chosen).items()
        ]
        panels[scenario] = lines
    return panels


def _by_scenario(rows: Sequence[Measurement], suite: str, x: Value, y: Value) -> list[_Line]:
    styles = dict(zip(SCENARIOS, _STYLES, strict=True))
    ours = [row for row in rows if (row.suite, row.server) == (suite, OURS)]
    return [_line(name, styles[name], [row for row in ours if row.scenario == name], x, y) for name in scenarios(ours)]


def _line(name: str, style: _Style, rows: Sequence[Measurement], x: Value, y: Value) -> _Line:
    fed = (row for row in rows if not row.starved)
    points = [(x(one), y(one)) for one in map(middle, by_setup(fed).values())]
    return _Line(name, style, [point for point in points if point[1] > 0])


def _megapixels(row: Measurement) -> float:
    return row.width_px * row.height_px / 1e6


def _mb_per_s(row: Measurement) -> float:
    return row.per_s * _megapixels(row) * _BYTES_PER_PIXEL[SCENARIOS[row.scenario].form]


def _titled(title: str, width_in: float, height_in: float) -> Figure:
    figure = Figure(figsize=(width_in, height_in), facecolor="white")
    figure.suptitle(title, x=0.01, y=1 - 0.14 / height_in, ha="left", va="top", fontsize=16, color=_TEXT)
    return figure


def _page(title: str, wanted: Sequence[_Panel], x_name: str) -> Figure | None:
    """Return the panels that have lines, side by side; None if none has. Without right answers there is no line."""
    known = [panel._replace(lines=[line for line in panel.lines if line.points]) for panel in wanted]
    panels = [panel for panel in known if panel.lines]
    if not panels:
        return None
    figure = _titled(title, 14 if len(panels) > 1 else 9, 5.6)
    if len(panels) > 1:
        figure.subplots_adjust(0.065, 0.165, 0.845, 0.83, wspace=0.8)
    else:
        figure.subplots_adjust(0.1, 0.165, 0.8, 0.88)
    for at, panel in enumerate(panels):
        _plot(figure.add_subplot(1, len(panels), at + 1), panel, x_name)
    return figure


def _plot(axis: Axes, panel: _Panel, x_name: str) -> None:
    for name, style, points in panel.lines:
        width, size, layer = (3, 8, 3) if name == OURS else (1.8, 7, 2)
        axis.plot(
            *zip(*points, strict=True), color=style.colour, marker=style.marker, linestyle=style.dash,
            linewidth=width, markersize=size, zorder=layer,
        )  # fmt: skip
    axis.set_title(panel.title)
    axis.set_xlabel(x_name)
    axis.set_ylabel(panel.unit)
    axis.set_xscale("log", base=2)
    _ticks(axis.xaxis, FixedLocator(sorted({x for line in panel.lines for x, _ in line.points})), "{:.3g}")
    if panel.logarithmic:
        axis.set_yscale("log")
        _ticks(axis.yaxis, LogLocator(subs=(1, 2, 5)), "{:,.6g}")
    else:
        axis.set_ylim(bottom=0)
        _ticks(axis.yaxis, axis.yaxis.get_major_locator(), "{:,.6g}")
    _label_ends(axis, panel.lines)


def _ticks(axis: Axis, places: Locator, form: str) -> None:
    axis.set_major_locator(places)
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: form.format(value)))


def _label_ends(axis: Axes, lines: Sequence[_Line]) -> None:
    """Write each line's name beside its last point, moved apart where they would touch."""
    to_panel = axis.transData + axis.transAxes.inverted()
    ends = sorted(((*to_panel.transform(line.points[-1]), line) for line in lines), key=lambda end: end[1])
    heights = _apart([y for _, y, _ in ends])
    for (x, y, line), height in zip(ends, heights, strict=True):
        leader = {
            "arrowstyle": "-",
            "color": line.style.colour,
            "linewidth": 1,
            "relpos": (0, 0.5),
            "shrinkA": 3,
            "shrinkB": 6,
        }
        axis.annotate(
            line.name, (x, y), (1.07, height), xycoords="axes fraction", textcoords="axes fraction", va="center",
            fontsize=11, color=_TEXT, fontweight="bold" if line.name == OURS else "normal", annotation_clip=False,
            arrowprops=leader,
        )  # fmt: skip


def _apart(heights: Sequence[float]) -> list[float]:
    """Return rising heights at least one line of text apart, each group of close ones about its own middle."""
    groups: list[list[float]] = []  # of heights less the room that those below need
    for at, height in enumerate(heights):
        groups.append([height - at * _LABEL_GAP])
        while len(groups) > 1 and _mean(groups[-2]) > _mean(groups[-1]):
            groups[-2:] = [groups[-2] + groups[-1]]
    level = [_mean(group) for group in groups for _ in group]
    return [height + at * _LABEL_GAP for at, height in enumerate(level)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
