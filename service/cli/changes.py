"""A change of the version that a running server is asked for: its outcome is waited for, and said."""

from __future__ import annotations

from typing import Any

import click
import httpx

from service.cli.client import ask, connect, explain, fail

_LONGEST_S = 999
_GRACE_S = 10.0  # for the way there and back


def change(path: str, url: str, api_key: str | None, timeout_s: float, **parameters: Any) -> dict[str, Any]:
    """Ask for it and return the answer; ends the command with status 1 where it is refused, or not done in time."""
    wait_s = max(1, min(_LONGEST_S, round(timeout_s)))
    with connect(url, api_key) as client:
        client.timeout = httpx.Timeout(30, read=wait_s + _GRACE_S)
        answer = ask(client, "POST", path, params={"wait_s": str(wait_s), **parameters}, allowed=409)
    if answer.status_code == 409:
        fail(1, f"nothing has changed: {explain(answer)}")
    if answer.status_code == 202:
        fail(1, f"it is not done after {wait_s} s, and is still under way; the server's log will say what became of it")
    return dict(answer.json())


def say_which_runs(answer: dict[str, Any], done: str) -> None:
    """Print what was done, and which version runs."""
    click.echo(f"{done}: version {answer['flowVersion']} runs, before it was {answer['before']}")
