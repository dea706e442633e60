"""A change of the version that a running server is asked for: its outcome is waited for, and said."""

from __future__ import annotations

from typing import Any

import click
import httpx

from service.cli.client import ask, connect, explain, fail, values_of

_LONGEST_S = 999
_GRACE_S = 10.0  # for the way there and back


def change(path: str, done: str, url: str, api_key: str | None, timeout_s: float, **parameters: Any) -> None:
    """Ask for it, and say `done` and which version runs; ends the command with status 1 where nothing has changed."""
    wait_s = max(1, min(_LONGEST_S, round(timeout_s)))
    with connect(url, api_key) as client:
        client.timeout = httpx.Timeout(30, read=wait_s + _GRACE_S)
        answer = ask(client, "POST", path, params={"wait_s": str(wait_s), **parameters}, allowed=409)
        if answer.status_code == 409:
            fail(1, f"nothing has changed: {explain(answer)}")
        if answer.status_code == 202:
            fail(1, f"it is not done after {wait_s} s, and is still under way; the server's log will say how it ended")
        version, before = values_of(answer, client, "flowVersion", "before")
    click.echo(f"{done}: version {version} runs, before it was {before}")
