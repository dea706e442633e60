"""`framemill watch`: a project tried on a folder again and again, while somebody works on it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from service.cli.client import fail
from service.cli.images import NoImages, find_images, is_image
from service.cli.options import told_options
from service.cli.progress import with_progress
from service.compared.watching import Watched, changed
from service.tryout.inspecting import Wishes, inspect, open_trial
from service.tryout.row import Row
from service.tryout.table import Table, Tally
from workers.errors import ProjectInvalid, SettingsInvalid
from workers.text import Told

_FAILED = 1
_NAMED = 3
_SHOWN = 40  # lines of one run: what is new must not scroll away


@click.command()
@click.argument("project", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path, exists=True))
@click.option("--workers", type=int, help="processes that inspect; default as for serve, one per core")
@told_options
def watch(project: Path, folders: tuple[Path, ...], workers: int | None, told: Told) -> None:
    """Run PROJECT on the pictures of each FOLDER again whenever a file of either is saved; say what changed.

    \b
    Example:
      framemill watch deploy/projects/board deploy/projects/board/samples

    First it says which parts are not OK, and then at each save which verdicts are others than before. What lies in the
    project's data folder, and hidden files, start nothing. Mistakes are named, and the next save is waited for.

    Ctrl-C ends it, with exit status 0.
    """
    watched = Watched(project.resolve(), project.resolve() / "data", [path.resolve() for path in folders], is_image)
    runs, before = 0, None
    try:
        for names in watched.saved():
            if names:
                click.echo(f"\nsaved: {', '.join(names[:_NAMED])}{_more(len(names) - _NAMED)}")
            rows = _run(project, folders, workers, told, watched)
            if rows is not None:
                runs += 1
                _tell(before, rows)
                before = rows
    except KeyboardInterrupt:
        pass
    except OSError as error:
        fail(_FAILED, f"the folders cannot be watched: {error.strerror or error}")
    ends_echo = "\n" if sys.stderr.isatty() else ""  # of the ^C
    click.echo(f"{ends_echo}framemill: watched {runs} run{'s' if runs != 1 else ''}", err=True)


def _run(
    project: Path, folders: tuple[Path, ...], workers: int | None, told: Told, watched: Watched
) -> dict[Path, Row] | None:
    """Return the rows by file, or say why there are none."""
    try:
        trial = open_trial(project, workers, told)
        watched.data = trial.project.data
        files = find_images(folders).files
        results = with_progress(inspect(trial, files, Wishes(told)), len(files))
        return {row.path: row for row, _ in results}
    except (ProjectInvalid, SettingsInvalid, NoImages) as error:
        click.echo(str(error), err=True)
        return None


def _tell(before: dict[Path, Row] | None, rows: dict[Path, Row]) -> None:
    table, tally = Table(rows), Tally()
    for row in rows.values():
        tally.add(row)
    if before is None:
        lines = [table.line(row) for row in rows.values() if row.verdict != "OK"]
    else:
        lines = [f"{how:12}  {table.line(row)}" for how, row in changed(before, rows)]
    for line in lines[:_SHOWN]:
        click.echo(line)
    if len(lines) > _SHOWN:
        click.echo(f"and {len(lines) - _SHOWN} more")
    news = "" if before is None else f"; {len(lines) or 'no'} verdict{'s' if len(lines) != 1 else ''} changed"
    click.echo(f"{tally.words()}{news}")
    sys.stdout.flush()


def _more(count: int) -> str:
    return f" and {count} more" if count > 0 else ""
