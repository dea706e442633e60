"""`framemill inputs`: what operators set on a running server."""

from __future__ import annotations

from typing import Any

import click

from service.cli.client import ask, connect, server_options, values_of
from service.inputs.typed import typed
from workers.flow.inputs import KINDS
from workers.text import is_utf8, printable

_PATH = "/api/v1/inputs"


@click.command()
@click.argument("values", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--default", "defaults", multiple=True, metavar="NAME", help="set this one back, once for each input")
@server_options
def inputs(values: tuple[str, ...], defaults: tuple[str, ...], url: str, api_key: str | None) -> None:
    """Say what operators have set, or set it: for the next frame on, all of it or nothing.

    \b
    Example:
      framemill inputs
      framemill inputs limit=0.9 shift=night strict=on
      framemill inputs --default limit
    """
    for given in (*values, *defaults):
        if not is_utf8(given):
            raise click.UsageError(f"{printable(given)!r} is not UTF-8")
    for given in values:
        if "=" not in given:
            raise click.UsageError(f"{given!r} sets nothing: expected NAME=VALUE, or --default {given}")
    with connect(url, api_key) as client:
        declared, revision = values_of(ask(client, "GET", _PATH), client, "inputs", "revision")
        kinds = {one["name"]: KINDS[one["kind"]].model_construct() for one in declared if one["kind"] in KINDS}
        asked = typed(values, kinds) | dict.fromkeys(defaults)
        if asked:
            changed = ask(client, "PUT", _PATH, json={"values": asked, "revision": revision})
            declared, revision = values_of(changed, client, "inputs", "revision")
    if not declared:
        click.echo("the project has no inputs ([[input]] in framemill.toml)")
        return
    width = max(len(one["name"]) for one in declared)
    for one in declared:
        click.echo(f"{one['name']:{width}}  {_shown(one)}")
    click.echo(f"revision {revision}")


def _shown(one: dict[str, Any]) -> str:
    """A value as it is typed, its unit, and whether anybody has set it."""
    value = ("off", "on")[one["value"]] if isinstance(one["value"], bool) else str(one["value"])
    unit = f" {one['unit']}" if one.get("unit") else ""
    return printable(value + unit) + ("" if one["isSet"] else "  (default)")
