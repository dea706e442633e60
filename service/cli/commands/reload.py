"""`framemill reload`: let a running server load its project anew."""

from __future__ import annotations

import click

from service.cli.changes import change
from service.cli.client import server_options


@click.command()
@server_options
@click.option("--accept", is_flag=True, help="take it over even where its proof fails; the log says who did")
@click.option("--timeout", "timeout_s", type=float, default=180, show_default=True, help="seconds to wait")
def reload(url: str, api_key: str | None, accept: bool, timeout_s: float) -> None:
    """Load the project anew, without losing a frame.

    \b
    Example:
      framemill reload

    The workers of the old project go on until all new ones are ready. If the new project has a mistake, cannot be
    loaded, or says something else of a frame of its proof ([[proof]]), the old one stays, and what is wrong is said.

    Exit status 0 when the new one runs, 1 when nothing has changed or it took too long.
    """
    change("/api/v1/reload", "reloaded", url, api_key, timeout_s, **({"accept": "1"} if accept else {}))
