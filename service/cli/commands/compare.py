"""`framemill compare`: which verdicts change from one version of a project to another."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
import orjson

from service.cli.client import fail
from service.cli.images import NoImages, find_images
from service.cli.options import told_options, utf8
from service.cli.progress import with_progress
from service.compared.compare_page import MOST_PICTURES, Side, compare_page
from service.compared.comparing import Compared, Pair
from service.tryout.inspecting import Trial, Wishes, inspect, open_trial
from service.tryout.row import Row
from workers.errors import FramemillError
from workers.text import Told, printable

_CHANGES = 1
_MISTAKES = 2
_PAGE = Path("compare.html")
_SHOWN_DIFFERENCES = 4


@click.command()
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.argument("frames", nargs=-1, required=True, metavar="FRAMES...", type=click.Path(path_type=Path))
@click.option("--workers", type=int, help="processes that inspect; default as for serve, one per core")
@told_options
@click.option("--json", "as_json", is_flag=True, help="print JSON in place of the table")
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=utf8,
    help="the HTML page of what changes; default compare.html, with --json none",
)
def compare(
    old: Path,
    new: Path,
    frames: tuple[Path, ...],
    workers: int | None,
    told: Told,
    as_json: bool,
    report_file: Path | None,
) -> None:
    """Run the pictures of FRAMES (folders, or files) through two projects; show each verdict that changes.

    \b
    Example:
      framemill compare screws screws-next pictures

    OLD and NEW are folders of projects; the copy that a server keeps of what it runs is one too (docs/going_live.md).
    No server is needed, and none is disturbed. Frames are inspected as by framemill run: on all cores, as a server
    would answer them. The page shows both annotated pictures of each frame whose verdict changes, and what differs.

    Exit status 0 when no verdict changes, 1 when one does, 2 when a project or a setting has mistakes, there is no
    picture, or the page cannot be written.
    """
    try:
        trials = [open_trial(folder, workers, told) for folder in (old, new)]
        files = find_images(frames).files
        rows = [
            row
            for row, _ in with_progress(
                (each for trial in trials for each in inspect(trial, files, Wishes(told))), 2 * len(files)
            )
        ]
        compared = Compared.of(rows[: len(files)], rows[len(files) :])
        _tell(trials, compared, as_json=as_json)
        if compared.changed and (page := report_file or (None if as_json else _PAGE)):
            _add_previews(trials, compared, told)
            _write(page, trials, compared)
    except (FramemillError, NoImages) as error:
        fail(_MISTAKES, str(error))
    except OSError as error:
        fail(_MISTAKES, f"the machine refuses processes to inspect with: {error.strerror}")
    sys.exit(_CHANGES if compared.changed else 0)


def _tell(trials: Sequence[Trial], compared: Compared, *, as_json: bool) -> None:
    if as_json:
        print(orjson.dumps(_document(trials, compared), option=orjson.OPT_INDENT_2).decode())
        return
    for pair in compared.changed:
        more = len(pair.differences) - _SHOWN_DIFFERENCES
        words = [each.words for each in pair.differences[:_SHOWN_DIFFERENCES]]
        words += [f"and {more} more"] if more > 0 else []
        print(f"{pair.how:12}  {pair.new.name}  {' '.join('; '.join(words).split())}".rstrip())
    sys.stdout.flush()
    click.echo(compared.words(), err=True)


def _document(trials: Sequence[Trial], compared: Compared) -> dict[str, object]:
    old, new = ({"folder": printable(each.project.folder), "version": each.version} for each in trials)
    return {
        "old": old,
        "new": new,
        "frames": compared.frames,
        "changed": [_entry(pair) for pair in compared.changed],
        "foundOtherwise": [_entry(pair) for pair in compared.otherwise],
    }


def _entry(pair: Pair) -> dict[str, object]:
    assert pair.old is not None
    differences = [each._asdict() for each in pair.differences]
    return {"file": pair.new.name, "old": _side(pair.old), "new": _side(pair.new), "differences": differences}


def _side(row: Row) -> dict[str, object]:
    return {"verdict": row.verdict, "score": row.score, "labels": row.labels, "notes": row.notes}


def _add_previews(trials: Sequence[Trial], compared: Compared, told: Told) -> None:
    """Inspect the frames that are shown once more, with pictures; what was said of them first counts."""
    shown = compared.changed[:MOST_PICTURES]
    files = [pair.new.path for pair in shown]
    old, new = ([row for row, _ in inspect(trial, files, Wishes(told, previews=True))] for trial in trials)
    compared.changed[:MOST_PICTURES] = _with_previews(shown, old, new)


def _with_previews(pairs: Sequence[Pair], old: Sequence[Row], new: Sequence[Row]) -> Iterator[Pair]:
    for pair, before, after in zip(pairs, old, new, strict=True):
        assert pair.old is not None
        yield Pair(replace(pair.new, preview=after.preview), replace(pair.old, preview=before.preview))


def _write(path: Path, trials: Sequence[Trial], compared: Compared) -> None:
    old, new = (
        Side(name, trial.version, printable(trial.project.folder))
        for name, trial in zip(("old", "new"), trials, strict=True)
    )
    try:
        path.write_text(compare_page(f"{trials[1].project.name}: what changes", old, new, compared), "utf-8")
    except OSError as error:
        fail(_MISTAKES, f"{printable(path)} cannot be written: {error.strerror}")
    click.echo(f"what changes is shown in {printable(path)}", err=True)
