"""`framemill history export`: what people decided, as folders that `run --against`, `train` and a proof read."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.cli.client import UNREACHABLE, fail
from service.cli.history.place import Time, history_place, place_options, state_dir_of
from workers.text import printable

if TYPE_CHECKING:
    from service.decisions.export import Written

_FAILED = 1


@click.command()
@place_options
@click.option("--decided", type=click.Path(path_type=Path), help="folder to be made: good/, bad/, truth.json")
@click.option("--proof", type=click.Path(path_type=Path), help="folder in the project to be made: frames, proof.toml")
@click.option("--since", type=Time(), help="frames that came then or later, as 2026-11-28T14:00, or 7d ago")
@click.option("--until", type=Time(), help="frames that came before")
@click.option("--camera", "cameras", multiple=True)
@click.option("--server", "servers", multiple=True, help="frames of this server, where several write one history")
def export(
    project: Path | None,
    state_dir: Path | None,
    history_url_file: Path | None,
    decided: Path | None,
    proof: Path | None,
    since: int | None,
    until: int | None,
    cameras: tuple[str, ...],
    servers: tuple[str, ...],
) -> None:
    """Write pictures of frames that somebody has decided about, with what they really are.

    --decided makes a folder for `framemill run --against` and `framemill train`; --proof one of the project, with
    tables [[proof]] for its framemill.toml. Neither may be there yet, or it is empty. Frames of which no picture was
    kept are counted.

    \b
    Example:
      framemill history export deploy/projects/board --decided november --since 30d
      framemill run deploy/projects/board november/good november/bad --against november/truth.json
      framemill train plates november/good --more
      framemill history export plates --proof plates/proof --since 7d

    Exit status 0, 1 when there is nothing to write, or it cannot be written, 3 when the project or the settings have
    mistakes, 4 when there is no history, or it cannot be read.
    """
    # imported here: a database takes a while to load, and --help should not
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from service.decisions.export import CannotExport, Chosen, export_proof, export_truth  # noqa: PLC0415
    from service.history.database import AnotherForm, open_to_read, told_of  # noqa: PLC0415

    if decided is None and proof is None:
        raise click.UsageError("name a folder: --decided FOLDER or --proof FOLDER")
    place = history_place(project, state_dir, history_url_file)
    pictures = state_dir_of(project, state_dir) / "history" / "pictures"
    chosen = Chosen(since, until, cameras, servers)
    try:
        engine = open_to_read(place)
        if decided is not None:
            _tell(decided, export_truth(engine, pictures, decided, chosen))
        if proof is not None:
            written = export_proof(engine, pictures, proof, _named(proof, project), chosen)
            _tell(proof, written)
            print(f"put what is in {printable(proof / 'proof.toml')} into framemill.toml, and try it: framemill prove")
        engine.dispose()
    except (SQLAlchemyError, AnotherForm) as error:
        fail(UNREACHABLE, f"the history cannot be read: {told_of(error)}")
    except CannotExport as error:
        fail(_FAILED, str(error))
    except OSError as error:
        fail(_FAILED, f"the folder cannot be written: {error}")


def _named(proof: Path, project: Path | None) -> str:
    """Return the folder of a proof as the project names it: where it lies elsewhere, as it is to be called there."""
    if project is not None and proof.resolve().is_relative_to(project.resolve()):
        return os.path.relpath(proof.resolve(), project.resolve())
    return proof.name


def _tell(folder: Path, written: Written) -> None:
    print(f"{printable(folder)}: {written.good} good, {written.bad} bad")
    for count, why in (
        (written.without_picture, "decided frames have no picture"),
        (written.other_form, "have one that is neither PNG nor JPEG, which a proof does not take"),
        (written.left_out, "are more than a proof takes"),
    ):
        if count:
            print(f"framemill: {count} {why}", file=sys.stderr)
