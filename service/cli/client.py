"""The command line's own client of a running server."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click
import httpx

UNREACHABLE = 4


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --url and --api-key."""
    command = click.option("--api-key", envvar="FRAMEMILL_API_KEY", help="API key, where the server asks for one")(
        command
    )
    return click.option(
        "--url", envvar="FRAMEMILL_URL", default="http://127.0.0.1:8000", show_default=True, help="the running server"
    )(command)


def connect(url: str, api_key: str | None) -> httpx.Client:
    """Return a client that sends the key; nothing is sent yet."""
    headers = {"X-API-Key": api_key} if api_key else {}
    return httpx.Client(base_url=url, headers=headers, timeout=30)


def ask(client: httpx.Client, method: str, path: str, **arguments: Any) -> httpx.Response:
    """Send one request; ends the command with a clear message where the server does not answer or refuses."""
    try:
        answer = client.request(method, path, **arguments)
    except httpx.HTTPError as error:
        fail(UNREACHABLE, f"no answer from {client.base_url}: {error}; is the server running (framemill serve)?")
    if answer.is_error:
        fail(1, f"{answer.status_code} {explain(answer)}")
    return answer


def explain(answer: httpx.Response) -> str:
    """Return what the server said about an error."""
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase


def fail(status: int, message: str) -> NoReturn:
    """End the command; print, unlike click's echo, goes above a progress bar that is on the screen."""
    print(f"framemill: {message}", file=sys.stderr)
    sys.exit(status)
