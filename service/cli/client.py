"""The command line's own client of a running server.

It goes to that server and nowhere else: proxies that the environment names are for the internet, and one that is named
wrongly would be in the way of a server on this machine. What signs a server's certificate is looked up where OpenSSL
does (SSL_CERT_FILE and SSL_CERT_DIR included) and in certifi.
"""

from __future__ import annotations

import contextlib
import ssl
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import click
import httpx

from service.environment import stripped

UNREACHABLE = 4
_WRONG_USE = 2
_LAST_PORT = 65_535


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --url and --api-key."""
    command = click.option("--api-key", envvar="FRAMEMILL_API_KEY", help="API key, where the server asks for one")(
        command
    )
    return click.option(
        "--url", envvar="FRAMEMILL_URL", default="http://127.0.0.1:8000", show_default=True, help="the running server"
    )(command)


def connect(url: str, api_key: str | None) -> httpx.Client:
    """Return a client that sends the key; nothing is sent yet. Ends the command where `url` cannot be one."""
    key = stripped(api_key or "")
    headers = {b"X-API-Key": key.encode("utf-8", "surrogateescape")} if key else {}
    if "\n" in key or "\r" in key:
        fail(_WRONG_USE, "an API key is one line, and this one has several")
    try:
        address = httpx.URL(stripped(url))
    except httpx.InvalidURL as error:
        fail(_WRONG_USE, f"{url!r} is no address of a server: {error}; expected http://HOST:PORT")
    if address.scheme not in {"http", "https"} or not address.host or not 0 <= (address.port or 0) <= _LAST_PORT:
        fail(_WRONG_USE, f"{url!r} is no address of a server; expected http://HOST:PORT")
    verify = _authorities() if address.scheme == "https" else False  # which takes 25 ms, and reads files
    return httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False, verify=verify)


def _authorities() -> ssl.SSLContext:
    context = httpx.create_ssl_context(trust_env=False)
    with contextlib.suppress(ssl.SSLError, OSError):  # what the environment names cannot be read: certifi's are there
        context.set_default_verify_paths()
    return context


def ask(client: httpx.Client, method: str, path: str, allowed: int = 200, **arguments: Any) -> httpx.Response:
    """Send one request; ends the command with a clear message where the server does not answer or refuses.

    A refusal with the status `allowed` is an answer.
    """
    try:
        answer = client.request(method, path, **arguments)
    except httpx.HTTPError as error:
        fail(UNREACHABLE, no_answer(client, error))
    if answer.is_error and answer.status_code != allowed:
        fail(1, f"{answer.status_code} {explain(answer)}")
    return answer


def ask_for(key: str, client: httpx.Client, method: str, path: str, **arguments: Any) -> Any:
    """Send one request and return what its answer, a JSON object, has under `key`; else as `ask`."""
    (value,) = values_of(ask(client, method, path, **arguments), client, key)
    return value


def values_of(answer: httpx.Response, client: httpx.Client, *keys: str) -> list[Any]:
    """Return what an answer, a JSON object, has under these keys; else as `ask`."""
    try:
        found = answer.json()
        return [found[key] for key in keys]
    except (ValueError, KeyError, TypeError):
        fail(UNREACHABLE, f"what answers at {client.base_url} is no Framemill server")


def no_answer(client: httpx.Client, error: Exception) -> str:
    """Return what to say where the server does not answer."""
    return (
        f"no answer from {client.base_url}: {error or type(error).__name__}; is the server running (framemill serve)?"
    )


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
