"""Two results of one machine side by side: what a change did.

    python -m bench.compare OLD.json NEW.json

prints a Markdown table of ratios, new over old, of the medians over rounds. Exit status 2: a file cannot be read;
3: the results are of different machines, where a ratio would say nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from bench.measurement import Measurement, Results
from bench.tables import number, table
from bench.targets import Figure, middle

_UNREADABLE = 2
_DIFFERENT_MACHINES = 3
_CPU_CHANGE = 0.05
_FIGURES: Mapping[str, Figure] = {
    "frames/s": "per_s",
    "CPU/frame": "cpu_ms",
    "p50": "p50_ms",
    "p99": "p99_ms",
    "memory": "memory_mib",
}
_WORDS = ("suite", "scenario", "server", "cameras", "size", "workers")

Key = tuple[str, str, str, str, str, str]


def main() -> int:
    """Compare the two files named on the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__.partition("\n")[0])
    parser.add_argument("old", type=Path, metavar="OLD.json")
    parser.add_argument("new", type=Path, metavar="NEW.json")
    files = parser.parse_args()
    try:
        old, new = _read(files.old), _read(files.new)
    except ValueError as error:
        return _refuse(str(error), _UNREADABLE)
    differences = _differences(old.machine, new.machine)
    if differences:
        return _refuse(f"results of different machines cannot be compared: {differences}", _DIFFERENT_MACHINES)
    print(ratios(old, new))
    return 0


def ratios(old: Results, new: Results) -> str:
    """Return what changed from `old` to `new`, as Markdown; both are of the same machine."""
    before, after = _by_key(old), _by_key(new)
    both = [key for key in after if key in before]
    lines = [[*key, *_ratios(before[key], after[key]), _mark(before[key], after[key])] for key in both]
    alone = len(before) + len(after) - 2 * len(both)
    parts = [
        f"New over old: {_name(new)} over {_name(old)}. CPU a frame that changed by over {_CPU_CHANGE:.0%} is marked.",
        *(
            [f"Pictures that differ, so JPEG and PNG say nothing: {pictures}"]
            if (pictures := _pictures(old, new))
            else []
        ),
        *([f"Versions that differ: {versions}"] if (versions := _differences(old.versions, new.versions)) else []),
        table((*_WORDS,), (*_FIGURES, "CPU change"), lines),
        *([f"Setups that only one of the two has, left out: {alone}"] if alone else []),
    ]
    return "\n\n".join(parts)


def _pictures(old: Results, new: Results) -> str:
    return f"{old.picture}, {new.picture}" if old.picture and new.picture and old.picture != new.picture else ""


def _read(file: Path) -> Results:
    try:
        return Results.read(file)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{file} does not hold results as this version writes them: {error!r}") from error


def _refuse(message: str, status: int) -> int:
    print(message, file=sys.stderr)
    return status


def _differences(old: Mapping[str, str | int], new: Mapping[str, str | int]) -> str:
    return ", ".join(
        f"{name} {old.get(name, 'unknown')} against {new.get(name, 'unknown')}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    )


def _by_key(results: Results) -> dict[Key, Measurement]:
    """The rounds of each setup as one row, in the order in which they were run."""
    found: dict[Key, list[Measurement]] = {}
    for row in results.rows:
        size = f"{row.width_px}x{row.height_px}"
        key = (row.suite, row.scenario, row.server, str(row.cameras), size, str(row.workers))
        found.setdefault(key, []).append(row)
    return {key: middle(rows) for key, rows in found.items()}


def _ratios(old: Measurement, new: Measurement) -> list[str]:
    pairs = ((getattr(old, figure), getattr(new, figure)) for figure in _FIGURES.values())
    return [number(after / before if before else None) for before, after in pairs]


def _mark(old: Measurement, new: Measurement) -> str:
    """The change of CPU a frame, where it is more than noise."""
    change = new.cpu_ms / old.cpu_ms - 1 if old.cpu_ms else 0.0
    return f"**{change:+.1%}**" if abs(change) > _CPU_CHANGE else ""


def _name(results: Results) -> str:
    return f"{results.commit or 'unknown'} ({results.made})"


if __name__ == "__main__":
    sys.exit(main())
