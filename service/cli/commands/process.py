"""`framemill process`: the Process switch of a running server."""

from __future__ import annotations

import click

from service.cli.client import ask_for, connect, server_options


@click.command()
@click.argument("state", type=click.Choice(["on", "off", "status"]))
@server_options
def process(state: str, url: str, api_key: str | None) -> None:
    """Switch inspection on or off, or say how it stands.

    \b
    Example:
      framemill process off

    While it is off every frame is answered, but not inspected. It stays as it is over a restart.
    """
    with connect(url, api_key) as client:
        if state == "status":
            is_on = ask_for("process", client, "GET", "/api/v1/process")
        else:
            is_on = ask_for("process", client, "PUT", "/api/v1/process", json={"process": state == "on"})
    click.echo("on" if is_on else "off")
