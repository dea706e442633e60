"""`framemill schema`: JSON Schema of a project's file, for editors."""

from __future__ import annotations

import json
from pathlib import Path

import click

from service.settings import Settings
from workers.flow.registry import registry
from workers.flow.schema import project_schema


@click.command()
@click.argument("project", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
def schema(project: Path | None) -> None:
    """Print JSON Schema of framemill.toml, so that an editor completes and checks it.

    \b
    Example:
      framemill schema deploy/projects/board > deploy/projects/board/framemill.schema.json

    and `#:schema ./framemill.schema.json` as the first line of framemill.toml. It is made from the modules that this
    server has, installed packages included: print it anew after one was added. With PROJECT the files of that project
    are offered where a module names one. It tells less than `framemill check`, which knows the files too.
    """
    for name, why in registry().unusable.items():
        click.echo(f"note: the module {name} is left out: {why}", err=True)
    click.echo(json.dumps(project_schema(Settings, project), indent=2, ensure_ascii=False))
