"""The command: `python -m tests.fuzz --mutants 1000000 --jobs 2`."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.fuzz.campaign import Campaign, Tally
from tests.fuzz.mutate import mutant
from tests.fuzz.port import through_port
from tests.fuzz.seeds import seeds


@click.command(help=__doc__)
@click.option("--mutants", default=20_000, show_default=True, help="How many, from number 0 on.")
@click.option("--jobs", default=len(os.sched_getaffinity(0)), show_default=True, help="Processes at once.")
@click.option("--seed", default=1, show_default=True, help="Another seed makes other mutants.")
@click.option("--folder", default=Path(".fuzz"), type=Path, show_default=True, help="For findings and for going on.")
@click.option("--url", help="A running server: send the mutants there instead, beside a camera with sound frames.")
def main(mutants: int, jobs: int, seed: int, folder: Path, url: str | None) -> None:
    """Run a campaign, or go on with the one in the folder."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        task = progress.add_task("mutants", total=mutants)

        def show(tally: Tally) -> None:
            progress.update(task, completed=tally.done, description=f"mutants, {len(tally.findings)} findings")

        if url is not None:
            tally = through_port(url, range(mutants), partial(mutant, seeds(), seed), jobs, show)
        else:
            tally = Campaign(folder, seed, mutants, jobs).run(show)
    click.echo(f"{tally.done} mutants of seed {seed}: " + ", ".join(f"{n} {what}" for what, n in _counted(tally)))
    for number, finding in sorted(tally.findings.items()):
        click.echo(f"mutant {number}: {finding}")
    sys.exit(bool(tally.findings))


def _counted(tally: Tally) -> list[tuple[str, int]]:
    return tally.answers.most_common()


if __name__ == "__main__":
    main()
