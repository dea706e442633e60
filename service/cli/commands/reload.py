"""`framemill reload`: let a running server load its project anew."""

from __future__ import annotations

import time

import click

from service.cli.client import ask, ask_for, connect, fail, server_options

_STEP_S = 0.1


@click.command()
@server_options
@click.option("--timeout", "timeout_s", type=float, default=60, show_default=True, help="seconds to wait")
def reload(url: str, api_key: str | None, timeout_s: float) -> None:
    """Load the project anew, without losing a frame.

    \b
    Example:
      framemill reload

    The workers of the old project go on until all new ones are ready. If the new project has a mistake the old one
    stays, and the server's log says what is wrong.
    """
    give_up = time.monotonic() + timeout_s
    with connect(url, api_key) as client:
        before = ask_for("reloads", client, "GET", "/api/v1/status")
        ask(client, "POST", "/api/v1/reload")
        while ask_for("reloads", client, "GET", "/api/v1/status") == before:
            if time.monotonic() > give_up:
                fail(1, "the project was not loaded; the one before goes on, the server's log says why")
            time.sleep(_STEP_S)
    click.echo("reloaded")
