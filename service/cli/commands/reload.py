"""`framemill reload`: let a running server load its project anew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import click

from service.cli.client import UNREACHABLE, ask, connect, fail, server_options

if TYPE_CHECKING:
    import httpx

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
    stays, and what is wrong is printed; the server's log has it, too.
    """
    give_up = time.monotonic() + timeout_s
    with connect(url, api_key) as client:
        before = _reloads(client)
        ask(client, "POST", "/api/v1/reload")
        while (now := _reloads(client)).done == before.done:
            if now.failed != before.failed:
                fail(1, f"the project was not reloaded, the one before goes on:\n{now.why}")
            if time.monotonic() > give_up:
                fail(1, f"the project was not loaded within {timeout_s:g} s; the one before goes on")
            time.sleep(_STEP_S)
    click.echo("reloaded")


class _Reloads(NamedTuple):
    """How many reloads a server has done, how many failed, and why the last of these did."""

    done: int
    failed: int
    why: str


def _reloads(client: httpx.Client) -> _Reloads:
    try:
        status = ask(client, "GET", "/api/v1/status").json()
        # a server of an earlier version does not say what failed
        return _Reloads(status["reloads"], status.get("failed_reloads", 0), status.get("reload_failure", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        fail(UNREACHABLE, f"what answers at {client.base_url} is no Framemill server")
