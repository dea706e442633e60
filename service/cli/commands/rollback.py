"""`framemill rollback`: let a running server go back to the version before."""

from __future__ import annotations

import click

from service.cli.changes import change
from service.cli.client import server_options


@click.command()
@server_options
@click.option("--timeout", "timeout_s", type=float, default=180, show_default=True, help="seconds to wait")
def rollback(url: str, api_key: str | None, timeout_s: float) -> None:
    """Run the version again that ran before the last reload, without losing a frame.

    \b
    Example:
      framemill rollback

    It runs as it was loaded then, whatever is on disk by now; its proof is not asked. There is one step back: a second
    rollback is refused, and `framemill reload` is the way forward. A server that is started anew loads what is on disk.

    Exit status 0 when it runs, 1 when nothing has changed or it took too long.
    """
    change("/api/v1/rollback", "gone back", url, api_key, timeout_s)
