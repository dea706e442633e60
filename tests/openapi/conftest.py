"""A server with all that the API can tell of: a history with pictures, inputs, parts, an alert; and keys in another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.clients.browser import browser, chromium, page
from tests.clients.guests import add_key
from tests.decisions.line import BAD, await_picture, line, send
from tests.support.running import Server

__all__ = ["browser", "chromium", "page"]
METHODS = {"get", "head", "put", "post", "delete", "patch"}
STOP_KEY = "a stop key of some length, which nobody guesses"
_TOML = """
[part]
views = ["top", "left"]
wait_ms = 600000

[[input]]
name = "order"
kind = "text"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with line(tmp_path_factory.mktemp("openapi") / "p", "--stop-key", STOP_KEY, toml=_TOML) as running:
        yield running


@pytest.fixture(scope="module")
def frame(server: Server) -> str:
    """The id of a frame in the history, whose picture is kept."""
    found = send(server, BAD, camera="one", part="4711", view="top")
    await_picture(server, found)
    return found


@pytest.fixture(scope="module")
def document(server: Server) -> dict[str, Any]:
    with server.client() as client:
        found: dict[str, Any] = client.get("/openapi.json").raise_for_status().json()
        return found


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """A server with a key of each scope."""
    folder = tmp_path_factory.mktemp("keys")
    made = {scope: add_key(f"the-{scope}", scope, folder / "keys.toml") for scope in ("analyze", "operate", "admin")}
    with line(folder / "p", "--keys-file", str(folder / "keys.toml"), toml=_TOML) as running:
        yield running, made
