"""`framemill calibrate`: what a camera sees in millimetres, found with a printed target."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from service.cli.client import fail
from service.cli.images import named_images
from workers.calibration.calibrating import Seen, frame_form, look_at
from workers.calibration.printing import printed
from workers.calibration.solving import CannotCalibrate, Solved, View, solve
from workers.calibration.target import Target, read_target, sheet_of
from workers.text import printable

_FAILED = 1
_MISTAKES = 3


def _target(_context: click.Context, _parameter: click.Parameter, text: str) -> Target:
    try:
        return read_target(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.argument("project", required=False, type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, metavar="IMAGES...", type=click.Path(path_type=Path))
@click.option(
    "--target",
    required=True,
    callback=_target,
    metavar="KIND:CxR:Nmm",
    help="chessboard:9x6:10mm (inner corners, side of a square) or circles:9x6:10mm (from centre to centre)",
)
@click.option("--plane", metavar="FILE", help="the picture whose target lies where parts will lie; the first")
@click.option(
    "--out",
    default="calibration.json",
    show_default=True,
    metavar="FILE",
    help="name of the calibration in the project",
)
@click.option(
    "--max-rms-px",
    type=click.FloatRange(min=0.01),
    default=0.5,
    show_default=True,
    help="refuse a calibration whose points lie farther beside",
)
@click.option(
    "--print-target", "sheet", type=click.Path(path_type=Path), help="write the target to print: SVG, PDF or PNG"
)
def calibrate(
    project: Path | None,
    images: tuple[Path, ...],
    target: Target,
    plane: str | None,
    out: str,
    max_rms_px: float,
    sheet: Path | None,
) -> None:
    """Calibrate the camera of PROJECT with IMAGES (files, or folders of them) of a printed target.

    \b
    Example:
      framemill calibrate --target chessboard:9x6:10mm --print-target target.pdf
      framemill calibrate screws pictures --target chessboard:9x6:10mm

    The first picture, or that of --plane, shows the target lying flat where the part's measured surface will be; the
    others, three at least, hold it at angles of 20 to 40 degrees, in all corners of the picture. One alone does for a
    camera that looks straight down through a good lens. `measure` then has `calibration = "calibration.json"`.

    Exit status 0 when it is written, 1 when the pictures make no calibration, 3 when the project has mistakes.
    """
    if sheet is not None:
        _print(target, sheet)
    if project is None:
        if sheet is None:
            raise click.UsageError("name a project and pictures of the target, or --print-target FILE")
        return
    if not images:
        raise click.UsageError("name pictures of the target, files or folders")
    try:
        form = frame_form(project)
    except ValueError as error:
        fail(_MISTAKES, str(error))
    found = named_images(images)
    found.tell_passed_over()
    seen = []
    for path in found.files:
        seen.append(look_at(path, target, form))
        click.echo(_line(seen[-1]))
    solved = _solved(target, seen, plane, max_rms_px)
    for name, why in solved.left_out.items():
        click.echo(f"{printable(name)}: left out: {why}")
    _write(project / out, solved)
    _tell(project / out, solved)


def _print(target: Target, sheet: Path) -> None:
    drawn = sheet_of(target)
    try:
        sheet.write_bytes(printed(drawn, sheet.name))
    except ValueError as error:
        fail(_FAILED, str(error))
    except OSError as error:
        fail(_FAILED, f"{printable(sheet)} cannot be written: {error.strerror}")
    size = f"{drawn.width_mm:g} x {drawn.height_mm:g} mm"
    click.echo(f"{printable(sheet)}: {target} on {size}; print it at 100 %, and measure its line of 100 mm")


def _line(seen: Seen) -> str:
    if seen.points is None:
        return f"{printable(seen.name)}: not used: {seen.why}"
    return f"{printable(seen.name)}: {len(seen.points)} points, {seen.pitch_px:.1f} px apart"


def _solved(target: Target, seen: Sequence[Seen], plane: str | None, max_rms_px: float) -> Solved:
    usable = [each for each in seen if each.points is not None]
    if not usable:
        fail(_FAILED, "the target was found in none of the pictures")
    name = Path(plane).name if plane else seen[0].name
    first = next((each for each in seen if each.name == name), None)
    if first is None:
        fail(_FAILED, f"{printable(name)}, which shows the plane, is none of the pictures")
    if first.points is None:
        fail(_FAILED, f"{printable(name)} shows the plane, and {first.why}; name another with --plane")
    others = [each.name for each in usable if each.size_px != first.size_px]
    if others:
        sizes = f"{printable(others[0])} has another size than {printable(name)}"
        fail(_FAILED, f"{sizes}: all pictures are as the camera sends them")
    names = [each.name for each in usable]
    if len({*names}) < len(names):
        fail(_FAILED, "two pictures have the same name: give each its own")
    views = [View(each.name, each.points) for each in usable if each.points is not None]
    try:
        return solve(target, views, first.size_px, name, max_rms_px)
    except CannotCalibrate as error:
        fail(_FAILED, f"no calibration: {error}")


def _write(path: Path, solved: Solved) -> None:
    """Write the file as a whole, or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(solved.calibration.model_dump_json(indent=2) + "\n")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        fail(_FAILED, f"{printable(path)} cannot be written: {error.strerror}")


def _tell(path: Path, solved: Solved) -> None:
    made = solved.calibration
    for each in made.images:
        click.echo(f"{printable(each.file)}: {each.rms_px:.3f} px rms")
    click.echo(
        f"{printable(path)}: {len(made.images)} picture{'s' if len(made.images) > 1 else ''}, "
        f"{made.rms_px:.3f} px rms; plane of {printable(made.plane_image)}: {made.plane_rms_mm:.4f} mm rms, "
        f"{made.mm_per_px:.5f} mm per px in the middle"
    )
    for note in solved.notes:
        click.echo(f"note: {note}", err=True)
    sys.exit(0)
