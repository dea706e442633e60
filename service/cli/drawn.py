"""`framemill run --drawn-defects`: what a project would miss, tried with defects drawn into good pictures."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from service.cli.client import fail
from service.cli.options import utf8
from service.cli.progress import with_progress
from service.tryout.inspecting import Wishes, inspect
from workers.errors import ProjectInvalid
from workers.text import Told, printable

if TYPE_CHECKING:
    from service.tryout.drawn import DrawnWishes, Level, Outcome
    from service.tryout.drawn_report import DrawnFindings
    from service.tryout.inspecting import Trial
    from workers.trying.drawn_files import Drawing

_FAILED = 1
_MISTAKES = 3
_MISSED = 6
_NAMED = 5
_MOST_EACH = 1000
_DRAWN = ("kinds", "sizes", "contrasts", "each", "seed", "where", "save")

_file = click.Path(path_type=Path, dir_okay=False)


class _Percents(click.ParamType[tuple[float, ...]]):
    """Numbers between commas, each more than 0 and at most 100."""

    name = "percents"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Return shares, 0 to 1."""
        try:
            percents = [float(one.strip().removesuffix("%")) for one in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} are no numbers, expected percents between commas: 2,5,10", param, ctx)
        if not all(0 < one <= 100 for one in percents) or len({*percents}) < len(percents):
            self.fail(f"{value!r}: expected different numbers of more than 0 and at most 100", param, ctx)
        return tuple(one / 100 for one in percents)


_OPTIONS = (
    click.option("--drawn-defects", is_flag=True, help="draw defects into good pictures: which are missed?"),
    click.option("--drawn-kinds", metavar="KINDS", help="which, between commas; default all"),
    click.option("--drawn-sizes", type=_Percents(), help="lengths in % of the picture's shorter side: 2,5,10"),
    click.option("--drawn-contrasts", type=_Percents(), help="in % of the surface's brightness: 10,30"),
    click.option("--drawn-each", type=click.IntRange(1, _MOST_EACH), help="of a kind and size in a picture; default 1"),
    click.option("--drawn-seed", type=click.IntRange(0), help="other defects for another number; default 0"),
    click.option("--drawn-where", type=_file, callback=utf8, help="picture that is black where no part is"),
    click.option(
        "--drawn-save",
        type=click.Path(path_type=Path, file_okay=False),
        callback=utf8,
        metavar="DIR",
        help="keep the drawn pictures in DIR, with a truth.json for --against",
    ),
)


@dataclass(frozen=True, slots=True)
class DrawnOptions:
    """What was given on the command line; what was not is None."""

    kinds: str | None = None
    sizes: tuple[float, ...] | None = None
    contrasts: tuple[float, ...] | None = None
    each: int | None = None
    seed: int | None = None
    where: Path | None = None
    save: Path | None = None


def drawn_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options; the command is handed `drawn`, DrawnOptions where defects are to be drawn, else None."""

    @functools.wraps(command)
    def gathered(*arguments: Any, drawn_defects: bool, **named: Any) -> Any:
        given = {name: named.pop(f"drawn_{name}") for name in _DRAWN}
        if not drawn_defects:
            for name, value in given.items():
                if value is not None:
                    raise click.UsageError(f"--drawn-{name} goes with --drawn-defects")
        return command(*arguments, drawn=DrawnOptions(**given) if drawn_defects else None, **named)

    return functools.reduce(lambda inner, option: option(inner), reversed(_OPTIONS), gathered)


def run_drawn(
    trial: Trial, files: Sequence[Path], told: Told, options: DrawnOptions, report_file: Path | None
) -> NoReturn:
    """Do it, say what was found, and end the command."""
    # after the command line was read: who is told of a mistake in it does not wait for OpenCV
    from service.tryout.drawn import drawing_for, truth_of  # noqa: PLC0415
    from service.tryout.drawn_report import DrawnFindings, write_drawn_report  # noqa: PLC0415
    from service.tryout.drawn_score import DrawnScore  # noqa: PLC0415
    from workers.trying.drawn_files import CannotDraw  # noqa: PLC0415

    findings = DrawnFindings()
    if options.save:
        _make(options.save)
    with tempfile.TemporaryDirectory(prefix="framemill-drawn-") as folder:
        wishes = _wishes(options, told, Path(folder))
        try:
            drawing = drawing_for(trial, options.where)
            good = _good_ones(trial, files, told, findings)
            score = DrawnScore(wishes.kinds, [one.name for one in wishes.sizes], [one.name for one in wishes.contrasts])
            outcomes = _draw(trial, drawing, good, wishes, findings)
            for outcome in outcomes:
                score.add(outcome)
            if options.save:
                (options.save / "truth.json").write_bytes(truth_of(outcomes, told))
        except (ProjectInvalid, CannotDraw) as error:
            fail(_MISTAKES, error.message)
        except OSError as error:
            what = printable(error.filename) if error.filename else "a process to inspect with"
            fail(_FAILED, f"the machine refuses {what}: {error.strerror}")
    click.echo("\n".join(score.lines()))
    click.echo(score.words(), err=True)
    for one in findings.left_out:
        click.echo(f"nothing is drawn into {printable(one.good)}: {one.why}", err=True)
    if options.save:
        click.echo(f"the drawn pictures are in {printable(options.save)}", err=True)
    if report_file:
        try:
            write_drawn_report(report_file, trial, score, findings, len(good) - len(findings.left_out))
        except OSError as error:
            fail(_FAILED, f"{printable(report_file)} cannot be written: {error.strerror}")
        click.echo(f"what is missed is shown in {printable(report_file)}", err=True)
    failed = score.unjudged or findings.left_out or any(row.verdict == "ERROR" for row in findings.refused)
    raise SystemExit(_FAILED if failed else _MISSED if score.all.missed else 0)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fail(_FAILED, f"{printable(folder)} cannot be made: {error.strerror}")


def _wishes(options: DrawnOptions, told: Told, folder: Path) -> DrawnWishes:
    from service.tryout.drawn import CONTRASTS, SIZES, DrawnWishes  # noqa: PLC0415 - as above
    from workers.training.kinds import KINDS  # noqa: PLC0415

    kinds = tuple(KINDS)
    if options.kinds is not None:
        kinds = tuple(dict.fromkeys(one.strip().replace("-", "_") for one in options.kinds.split(",")))
        if unknown := [kind for kind in kinds if kind not in KINDS]:
            raise click.UsageError(f"--drawn-kinds: {unknown[0]!r} is unknown; known are {', '.join(KINDS)}")
    return DrawnWishes(
        folder=folder,
        told=told,
        kinds=kinds,
        sizes=_levels(options.sizes, "size ") or SIZES,
        contrasts=_levels(options.contrasts, "contrast ") or CONTRASTS,
        each=options.each or 1,
        seed=options.seed or 0,
        keep=options.save,
    )


def _levels(shares: tuple[float, ...] | None, before: str) -> tuple[Level, ...]:
    from service.tryout.drawn import Level  # noqa: PLC0415 - as above

    return tuple(Level(f"{before}{100 * share:g}%", share) for share in shares or ())


def _good_ones(trial: Trial, files: Sequence[Path], told: Told, findings: DrawnFindings) -> list[Path]:
    """Return the pictures that are OK as they are; those that are not are said, and left out."""
    from service.tryout.truth import Expected  # noqa: PLC0415 - as above

    expected = dict.fromkeys(files, Expected(result=True))
    good = []
    for row, _ in with_progress(inspect(trial, files, Wishes(told, expected=expected)), len(files)):
        if row.verdict == "OK":
            good.append(row.path)
        else:
            findings.refuse(row)
    click.echo(f"{len(files)} pictures: {len(good)} are OK as they are", err=True)
    if findings.refused:
        named = ", ".join(row.name for row in findings.refused[:_NAMED])
        more = f" and {len(findings.refused) - _NAMED} more" if len(findings.refused) > _NAMED else ""
        click.echo(f"left out, not OK without any defect: {named}{more}", err=True)
    if not good:
        fail(_FAILED, "none of these pictures is OK as it is: there is nothing to draw defects into")
    return good


def _draw(
    trial: Trial, drawing: Drawing, good: Sequence[Path], wishes: DrawnWishes, findings: DrawnFindings
) -> list[Outcome]:
    from service.tryout.drawn import LeftOut, inspect_drawn  # noqa: PLC0415 - as above

    outcomes = []
    for one in with_progress(inspect_drawn(trial, drawing, good, wishes), len(good) * wishes.of_a_picture):
        if isinstance(one, LeftOut):
            findings.left_out.append(one)
        else:
            outcomes.append(findings.add(one))
    return outcomes
