"""`framemill new`: a project to begin with, made of a picture of a good part."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from service.cli.client import fail
from service.tryout.starter import CannotStart, start_project, why_taken
from workers.text import printable

_FAILED = 1


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--good", type=click.Path(path_type=Path), help="picture of a good part, JPEG or PNG")
@click.option("--yes", is_flag=True, help="ask nothing, for scripts; --good is needed, then")
def new(project: Path, good: Path | None, *, yes: bool) -> None:
    """Make the folder PROJECT with a project that runs, to change from there; nothing is overwritten.

    \b
    Example:
      framemill new screws
      framemill new screws --good good_part.png --yes

    It compares each part with the good one, then runs code of yours. Whoever reads framemill.toml and code/check.py
    finds there what can be changed.

    Exit status 0 when it is made, 1 when it cannot be: the folder is there, or the picture cannot be used.
    """
    if taken := why_taken(project):  # before anybody is asked for anything
        fail(_FAILED, taken)
    if good is None:
        if yes:
            raise click.UsageError("name a picture of a good part with --good: with --yes nothing is asked")
        good = Path(click.prompt("Picture of a good part (JPEG or PNG)", type=str, err=True).strip()).expanduser()
    try:
        row = start_project(project, good)
    except CannotStart as error:
        fail(_FAILED, error.message)
    place = printable(project)
    click.echo(f"{place}: framemill.toml, code/check.py, references/, samples/ with the good part, data/")
    if row.verdict != "OK":
        click.echo(f"it says {row.verdict} of its own good part: look at what it finds there", err=True)
    click.echo(f"try it:     framemill run {place} {place}/samples")
    click.echo(f"change it:  framemill watch {place} {place}/samples")
    click.echo(f"serve it:   framemill serve {place}")
    sys.exit(0)
