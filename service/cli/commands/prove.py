"""`framemill prove`: the proof of a project, without a server."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from service.cli.client import fail
from service.cli.options import utf8
from service.cli.progress import with_progress
from service.compared.compare_page import Side, proof_page
from service.compared.comparing import Pair
from service.tryout.inspecting import Proven, Trial, open_trial
from service.tryout.inspecting import prove as try_proof
from workers.errors import FramemillError
from workers.text import printable

_FAILED = 1
_MISTAKES = 3
_WRONG = 6


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--workers", type=int, help="processes that inspect; default as for serve, one per core")
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=utf8,
    help="write an HTML page of what is wrong",
)
def prove(project: Path, workers: int | None, report_file: Path | None) -> None:
    """Say whether PROJECT is right about its proof, the frames that its tables [[proof]] name.

    \b
    Example:
      framemill prove screws

    It is what a reload asks of the next version, on all cores and without a server (docs/going_live.md).

    Exit status 0 when all is right, 6 when something is wrong, 1 when the page cannot be written, 3 when the project or
    a setting has mistakes.
    """
    try:
        trial = open_trial(project, workers)
        frames = len(trial.project.proofs)
        proven = []
        for one in with_progress(try_proof(trial, previews=report_file is not None), frames) if frames else ():
            proven.append(one)
            print(f"{'WRONG' if one.wrong else 'right'}  {_said(one)}", flush=True)
    except FramemillError as error:
        fail(_MISTAKES, error.message)
    except OSError as error:
        fail(_FAILED, f"the machine refuses processes to inspect with: {error.strerror}")
    wrong = [one for one in proven if one.wrong]
    said = _words(len(wrong), frames)
    click.echo(said, err=True)
    if report_file and wrong:
        _write(report_file, trial, wrong, said)
    sys.exit(_WRONG if wrong else 0)


def _words(wrong: int, frames: int) -> str:
    if not frames:
        return "the project has no [[proof]]"
    if not wrong:
        return f"the proof holds, {frames} frame{'s' if frames != 1 else ''}"
    return f"{wrong} of {frames} frame{'s' if frames != 1 else ''} of the proof {'is' if wrong == 1 else 'are'} wrong"


def _said(one: Proven) -> str:
    return f"{one.proof.label}{': ' + ' '.join('; '.join(one.wrong).split()) if one.wrong else ''}"


def _write(path: Path, trial: Trial, wrong: list[Proven], said: str) -> None:
    side = Side("this version", trial.version, printable(trial.project.folder))
    pairs = [Pair(one.row, wrong=one.wrong) for one in wrong]
    title = f"{trial.project.name}: the proof fails"
    page = proof_page(title, f"{said}.", (Side("", ""), side), pairs, len(trial.project.proofs))
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        fail(_FAILED, f"{printable(path)} cannot be written: {error.strerror}")
    click.echo(f"what is wrong is shown in {printable(path)}", err=True)
