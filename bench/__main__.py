"""`make bench`, `make bench-full`: measure, print what was found, keep it in results/: JSON, Markdown, plots."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import click

from bench import endurance, facts, suites
from bench.frames import picture
from bench.inspection import inspection
from bench.measurement import Measurement, Results
from bench.peer import PEERS, PeerUnavailable, install, runs_models
from bench.peer import versions as peer_versions
from bench.plots import draw
from bench.tables import markdown
from bench.versions import commit, versions
from service.trial.machine import machine
from workers.machine import cores

_RESULTS = Path(__file__).parent / "results"
_SUITES = ("facts", "compare", "pool", "cameras", "small", "size", "workers", "takt", "memory", "inspection", "models")
_WITH_MODELS = {"inspection", "models"}
_QUICK_PEERS = ("Falcon on gunicorn",)
_CAMERA_PEERS = 3


@click.command()
@click.option("--full", is_flag=True, help="all peers, all sizes, 200,000 frames: up to an hour")
@click.option("--smallest", is_flag=True, help="one short run of the first scenario: only to see that all this works")
@click.option("--only", multiple=True, type=click.Choice(_SUITES), help="these suites; may be given more than once")
@click.option("--peer", "peers", multiple=True, type=click.Choice(tuple(PEERS)), help="these peers, and no others")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=_RESULTS, help="where results go")
def main(*, full: bool, smallest: bool, only: tuple[str, ...], peers: tuple[str, ...], out: Path) -> None:
    """Measure the server on this machine, which should do nothing else meanwhile."""
    begun_s = time.monotonic()
    usual = tuple(PEERS) if full else _QUICK_PEERS
    if only and {*only} <= _WITH_MODELS:
        usual = tuple(filter(runs_models, PEERS))
    chosen = tuple(peers) or usual
    plan = _Plan(full, only or _SUITES, () if smallest else _installed(chosen))
    rows: list[Measurement] = []
    with tempfile.TemporaryDirectory() as folder:
        for row in plan.smallest() if smallest else plan.rows(Path(folder)):
            rows.append(row)
            _say(f"{time.monotonic() - begun_s:6.0f} s  {_line(row)}")
    found = {} if smallest else plan.facts()
    used = versions() | {name: value for peer in plan.peers for name, value in peer_versions(peer).items()}
    made = datetime.now().astimezone()
    results = Results(machine(), made.isoformat(timespec="seconds"), commit(), used, found, rows, picture())
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{made:%Y-%m-%d-%H%M%S}.json"
    results.write(file)
    pictures = file.with_suffix("")
    pictures.mkdir()
    links = "".join(f"\n![{plot.stem}]({pictures.name}/{plot.name})\n" for plot in draw(results, pictures))
    text = markdown(results) + links
    file.with_suffix(".md").write_text(text)
    _say(f"\n{text}\nwritten to {file}, {file.with_suffix('.md').name} and {pictures.name}/")
    sys.exit(1 if any(row.errors for row in rows if row.server == "framemill") else 0)


class _Plan:
    """Which suites run, how long."""

    def __init__(self, full: bool, only: tuple[str, ...], peers: tuple[str, ...]) -> None:
        self._full = full
        self._only = only
        self.peers = peers

    def rows(self, folder: Path) -> Iterator[Measurement]:
        """Run the suites that are asked for."""
        full = self._full
        made: dict[str, Callable[[], Iterator[Measurement]]] = {
            "compare": lambda: suites.compare(folder, self.peers, 4 if full else 3, 3.0),
            "pool": lambda: suites.pool(9 if full else 5, 2.0),
            "cameras": lambda: suites.cameras(
                folder, self.peers[:_CAMERA_PEERS], 2 if full else 1, 3.0 if full else 2.0
            ),
            "small": lambda: suites.small(5 if full else 2, 2.0),
            "size": lambda: suites.sizes(folder, 2 if full else 1, 3.0),
            "workers": lambda: suites.workers(3 if full else 1, 3.0, cores()),
            "takt": lambda: endurance.takt(10_000 if full else 2_000),
            "memory": lambda: endurance.memory(200_000 if full else 10_000),
            "models": lambda: suites.models(folder, self.peers, 5 if full else 3, 5.0),
        }
        for name, run in made.items():
            if name in self._only or (name in _WITH_MODELS and "inspection" in self._only):
                yield from run()

    def facts(self) -> dict[str, float]:
        """Measure the single figures."""
        found: dict[str, float] = {}
        if "facts" in self._only:
            found |= facts.start() | facts.recovery(30 if self._full else 10) | facts.decoding() | facts.copying()
        return found | inspection() if "inspection" in self._only else found

    @staticmethod
    def smallest() -> Iterator[Measurement]:
        """Run the pool suite once, briefly."""
        return suites.pool(1, 0.5)


def _installed(peers: tuple[str, ...]) -> tuple[str, ...]:
    ready = []
    for peer in peers:
        try:
            install(peer)
            ready.append(peer)
        except PeerUnavailable as error:
            _say(f"left out: {peer}: {error}")
    return tuple(ready)


def _line(row: Measurement) -> str:
    wrong = f"  {row.errors} ERRORS, the first: {row.first_error}" if row.errors else ""
    wrong += f"  {row.starved} cameras STARVED" if row.starved else ""
    size = f"{row.width_px}x{row.height_px}"
    return (
        f"{row.suite:8} {row.scenario:13} {row.server:22} {size:9} {row.cameras:2} cameras {row.workers} workers "
        f"{row.per_s:7.0f}/s  p50 {row.p50_ms:6.2f} p99 {row.p99_ms:6.2f} ms  CPU {row.cpu_ms:5.2f} ms{wrong}"
    )


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main()
