"""`framemill run`: a project tried on a folder of pictures, without a server."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import click

from service.cli.client import fail
from service.cli.drawn import DrawnOptions, drawn_options, run_drawn
from service.cli.images import named_images
from service.cli.options import told_options, utf8
from service.cli.progress import with_progress
from service.tryout.exports import JsonLines, write_csv
from service.tryout.inspecting import Trial, Wishes, inspect, open_trial, with_inputs
from service.tryout.report import Findings, write_report
from service.tryout.row import Row
from service.tryout.score import Score
from service.tryout.table import Table, Tally, score_lines
from service.tryout.truth import Matched, TruthInvalid, match, read_truth
from workers.errors import ProjectInvalid, SettingsInvalid
from workers.text import Told, printable

_FAILED = 1
_MISTAKES = 3
_NOK = 6
_NAMED = 5

_Made = TypeVar("_Made")

_file_to_write = click.Path(path_type=Path, dir_okay=False)


@dataclass(slots=True)
class _Run:
    """What a run has so far."""

    tally: Tally = field(default_factory=Tally)
    score: Score = field(default_factory=Score)
    findings: Findings = field(default_factory=Findings)
    rows: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        """Take one more."""
        self.tally.add(row)
        self.score.add(row)
        self.rows.append(self.findings.add(row))


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.argument("folders", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path))
@click.option("--workers", type=int, help="processes that inspect; default as for serve, one per core")
@told_options
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="what operators would have set, once for each input; defaults hold for the others",
)
@click.option(
    "--annotated",
    type=click.Path(path_type=Path, file_okay=False),
    callback=utf8,
    metavar="DIR",
    help="save an annotated picture of each frame in DIR",
)
@click.option("--csv", "csv_file", type=_file_to_write, help="write a table, your own values too")
@click.option("--jsonl", "jsonl_file", type=_file_to_write, help="write the contexts, a line of JSON each")
@click.option(
    "--against", "truth_file", type=click.Path(path_type=Path, dir_okay=False), help="JSON file of the right verdicts"
)
@click.option("--report", "report_file", type=_file_to_write, help="write an HTML page of what is false, or missed")
@drawn_options
def run(
    project: Path,
    folders: tuple[Path, ...],
    workers: int | None,
    told: Told,
    inputs: tuple[str, ...],
    annotated: Path | None,
    csv_file: Path | None,
    jsonl_file: Path | None,
    truth_file: Path | None,
    report_file: Path | None,
    drawn: DrawnOptions | None,
) -> None:
    """Run the pictures of each FOLDER (or single files) through the flow of PROJECT, on all cores.

    \b
    Example:
      framemill run deploy/projects/board deploy/projects/board/samples
      framemill run screws pictures --annotated seen --csv seen.csv
      framemill run screws pictures --against truth.json --report false.html
      framemill run screws good_parts --drawn-defects --report missed.html
      framemill run screws pictures --input limit=0.9 --input shift=night

    No server is needed, and none is disturbed: processes load the project from its folder as workers do, and answer as
    a server would. What ends one of them, or takes longer than run_ms, is an error of its frame, and the run goes on.

    The truth is {"part_1.png": {"result": true}, "part_2.png": {"result": false, "label": "scratch"}}. With it come
    precision and recall (of NOK parts), and which verdicts are false; frames that it does not name count nowhere.

    With --drawn-defects each picture that is OK gets defects drawn into it, which the flow should find: how many it
    finds is said by kind, size and contrast. A picture that is not OK as it is is named, and left out.

    Exit status 0 when every part is OK, 6 when one is NOK (with --against: when all verdicts are right, when one is
    false; with --drawn-defects: when all defects are found, when one is missed), 1 when one could not be inspected or a
    file not written, or no picture is OK as it is, 3 when project, settings or truth have mistakes.
    """
    if drawn and (truth_file or annotated or csv_file or jsonl_file):
        raise click.UsageError("--drawn-defects goes with --report and --drawn-save; run what was saved for all else")
    if report_file and not truth_file and not drawn:
        raise click.UsageError(
            "--report shows which verdicts are false: name the right ones with --against, or try --drawn-defects"
        )
    trial = _open(project, workers, told, inputs)
    found = named_images(folders)
    if drawn:
        run_drawn(trial, found.files, told, drawn, report_file)
    truth = _read(truth_file, folders, found.files) if truth_file else None
    if annotated:
        _make(annotated)
    wishes = Wishes(told, annotated, truth.expected if truth else None)
    done = _Run()
    begun_s = time.monotonic()
    try:
        _inspect(trial, found.files, wishes, jsonl_file, done)
    finally:  # what there is is worth having when somebody interrupts it
        if csv_file:
            _written(csv_file, lambda: write_csv(csv_file, done.rows))
    seconds = time.monotonic() - begun_s
    processes = trial.processes(len(found.files))
    rate = f"{len(found.files) / seconds:.1f} frames/s, {processes} process{'es' if processes > 1 else ''}"
    click.echo(f"{done.tally.words()}; {seconds:.1f} s, {rate}", err=True)
    found.tell_passed_over()
    if truth is None:
        sys.exit(_FAILED if done.tally.verdicts["ERROR"] else _NOK if done.tally.verdicts["NOK"] else 0)
    click.echo("\n".join(["", *score_lines(done.score), *_false_ones(done.findings)]))
    _tell_unused(truth, done.score)
    if report_file:
        _written(report_file, lambda: write_report(report_file, trial, done.score, done.findings))
        click.echo(f"what is false is shown in {printable(report_file)}", err=True)
    sys.exit(_FAILED if done.tally.verdicts["ERROR"] else _NOK if done.tally.false else 0)


def _open(project: Path, workers: int | None, told: Told, inputs: Sequence[str]) -> Trial:
    try:
        return with_inputs(open_trial(project, workers, told), inputs)
    except (ProjectInvalid, SettingsInvalid) as error:
        fail(_MISTAKES, error.message)


def _read(truth_file: Path, folders: Sequence[Path], files: Sequence[Path]) -> Matched:
    places = [truth_file.parent, *(folder if folder.is_dir() else folder.parent for folder in folders)]
    try:
        matched = match(read_truth(truth_file), places, files)
    except TruthInvalid as error:
        fail(_MISTAKES, error.message)
    if not matched.expected:
        fail(_MISTAKES, f"{printable(truth_file)} names none of these files")
    return matched


def _inspect(trial: Trial, files: Sequence[Path], wishes: Wishes, jsonl_file: Path | None, done: _Run) -> None:
    table = Table(files, judged=wishes.expected is not None)
    with _json_lines(jsonl_file) as add_line:
        print(table.head(), flush=True)
        try:
            for row, context in with_progress(inspect(trial, files, wishes), len(files)):
                done.add(row)
                add_line(row, context)
                print(table.line(row), flush=True)
        except ProjectInvalid as error:
            fail(_MISTAKES, error.message)
        except OSError as error:
            fail(_FAILED, f"the machine refuses processes to inspect with: {error.strerror}")


@contextmanager
def _json_lines(path: Path | None) -> Iterator[Callable[[Row, bytes], None]]:
    """Yield what writes a line for a frame, or does nothing where no file is named."""
    if path is None:
        yield lambda _row, _context: None
        return
    lines = _written(path, lambda: JsonLines(path))
    try:
        yield lambda row, context: _written(path, lambda: lines.add(row, context))
    finally:
        _written(path, lines.close)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(_FAILED, f"{printable(folder)} cannot be made: {error.strerror}")


def _written(path: Path, write: Callable[[], _Made]) -> _Made:
    try:
        return write()
    except OSError as error:
        fail(_FAILED, f"{printable(path)} cannot be written: {error.strerror}")


def _false_ones(findings: Findings) -> Iterator[str]:
    for what, rows in (("false OK", findings.false_ok), ("false NOK", findings.false_nok)):
        if rows:
            yield from ("", f"{what}:", *(f"  {row.name}" for row in rows))


def _tell_unused(truth: Matched, score: Score) -> None:
    if score.unknown:
        click.echo(f"not in the truth, and counted nowhere: {score.unknown} frames", err=True)
    if truth.unused:
        more = f" and {len(truth.unused) - _NAMED} more" if len(truth.unused) > _NAMED else ""
        click.echo(f"in the truth, and not among the files: {', '.join(truth.unused[:_NAMED])}{more}", err=True)
