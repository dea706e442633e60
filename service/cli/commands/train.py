"""`framemill train`: a module learns from good pictures what a good part looks like."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.cli.client import fail
from service.cli.command_line import ending_in_order
from service.cli.images import named_images
from service.cli.options import told_options, utf8
from service.cli.progress import bar_of_shares, with_progress
from service.tryout.inspecting import Trial, open_trial
from workers.errors import FramemillError, ProjectInvalid, SettingsInvalid
from workers.text import Told, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service.taught.chosen import Chosen
    from workers.teaching.teaching import Taught

_FAILED = 1
_MISTAKES = 3
_PAGE = Path("train_report.html")


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.argument("folders", nargs=-1, required=True, metavar="GOOD_FOLDER...", type=click.Path(path_type=Path))
@click.option("--module", "module_name", help="which module learns, where the project has several that do")
@click.option(
    "--method",
    type=click.Choice(["auto", "neighbours", "filters", "both"]),
    default=None,
    help="how it learns; auto, the default, takes what tells drawn defects from good pictures better",
)
@click.option(
    "--false-alarms",
    type=click.FloatRange(min=0, max=0.5, min_open=True),
    default=None,
    help="share of good pictures that may be NOK; default 0.01",
)
@click.option("--more", is_flag=True, help="go on from what it has learned, with more good pictures")
@click.option("--seed", type=click.IntRange(min=0), help="the same seed learns the same; default 0")
@click.option(
    "--backbone",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="ONNX file of your own that neighbours looks through; it is copied into the project",
)
@click.option("--workers", type=int, help="processes that learn; default as for serve, one per core")
@told_options
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=utf8,
    help="the HTML page of what was learned; default train_report.html",
)
def train(
    project: Path,
    folders: tuple[Path, ...],
    module_name: str | None,
    method: str | None,
    false_alarms: float | None,
    more: bool,
    seed: int | None,
    backbone: Path | None,
    workers: int | None,
    told: Told,
    report_file: Path | None,
) -> None:
    """Teach the module `anomaly` of PROJECT what good parts look like: with the pictures of each GOOD_FOLDER, or files.

    \b
    Example:
      framemill train screws good_pictures
      framemill train screws good_pictures --method filters --false-alarms 0.002
      framemill train screws pictures_of_today --more

    The pictures go through what stands before the module in the flow, in processes of their own as for framemill run;
    no server is needed, and none is disturbed. Eight good pictures are the least, some hundreds are good, and no bad
    one is needed. A part of them is held out in turn, and gets defects drawn in: by these the method is chosen, and
    the threshold by --false-alarms. The file that the module names is then written as a whole, or stays as it was.

    Exit status 0 when it has learned, 1 when it could not (too few pictures, no room), 2 for wrong use, 3 when project
    or settings have mistakes, 130 when it was interrupted, which leaves everything as it was.
    """
    trial = _open(project, workers, told)
    page = _place_of(report_file, trial.project.folder)
    # imported here: OpenCV takes a while, and --help should not
    from service.taught.chosen import NotOne, choose  # noqa: PLC0415
    from service.taught.training import Training, Watching  # noqa: PLC0415
    from service.taught.wished import Asked, WrongWish  # noqa: PLC0415

    try:
        chosen = choose(trial.project, module_name)
        found = named_images(folders)
        found.tell_passed_over()
        asked = Asked(method, false_alarms, seed, backbone, more)
        # processes and pictures are cleared away whatever ends this
        with ending_in_order(), tempfile.TemporaryDirectory(prefix="framemill-train-") as folder:
            training = Training(trial, chosen, asked, told, Path(folder), Watching(with_progress, bar_of_shares, _say))
            taught = training.run(found.files)
            if taught is None:
                click.echo(f"{chosen.title} has learned all of these pictures already; nothing has changed")
                return
            _tell(project, folders, chosen, trial, taught, page)
    except (WrongWish, NotOne) as error:
        raise click.UsageError(error.message) from None
    except (ProjectInvalid, SettingsInvalid) as error:
        fail(_MISTAKES, error.message)
    except FramemillError as error:
        fail(_FAILED, error.message)
    except OSError as error:
        where = f"{printable(error.filename)}: " if error.filename else ""
        fail(_FAILED, f"the machine refuses what it takes to learn: {where}{error.strerror or error}")


def _open(project: Path, workers: int | None, told: Told) -> Trial:
    try:
        return open_trial(project, workers, told, taught=False)
    except (ProjectInvalid, SettingsInvalid) as error:
        fail(_MISTAKES, error.message)


def _place_of(report_file: Path | None, project: Path) -> Path:
    """Return where the page is written: a file in the project would be part of its version."""
    page = report_file or _PAGE
    if not page.parent.is_dir():  # said now, not when all is learned
        raise click.UsageError(f"--report: there is no folder {printable(page.parent)}")
    if not page.resolve().is_relative_to(project):
        return page
    if report_file:
        raise click.UsageError(f"--report: {printable(page)} lies in the project, of whose version it would be a part")
    return project.parent / _PAGE


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # above a bar that is on the screen


def _tell(project: Path, folders: Sequence[Path], chosen: Chosen, trial: Trial, taught: Taught, page: Path) -> None:
    from service.taught.page import taught_page  # noqa: PLC0415 - see above
    from service.taught.summary import Summary  # noqa: PLC0415

    place = printable(project)
    summary = Summary(trial.project.name, chosen.title, chosen.file, chosen.path.stat().st_size, taught)
    following = [
        f"framemill run {place} PICTURES",
        f"framemill train {place} MORE_GOOD_PICTURES --more",
        "framemill reload",
    ]
    click.echo("\n".join([*summary.lines(), *chosen.notes]))
    try:
        page.write_text(taught_page(summary, following), "utf-8")
    except OSError as error:
        fail(_FAILED, f"it is learned, and {printable(page)} cannot be written: {error.strerror}")
    click.echo(f"the report is {printable(page)}")
    click.echo(f"try it:    framemill run {place} {' '.join(printable(each) for each in folders)}")
    click.echo("serve it:  framemill reload, where a server runs it; else framemill serve " + place)
