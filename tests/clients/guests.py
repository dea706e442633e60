"""Clients of a guarded server: from an address of their own, with a key of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx

from service.access.key_file import Entry, Word, changing
from service.access.keyring import digest_of, new_key
from tests.support.running import CHECKOUT, Server

COMMAND = [sys.executable, "-m", "service.cli"]


def client_from(address: str, server: Server, **headers: str) -> httpx.Client:
    """A client that comes from `address`, one of 127.0.0.0/8: all of them are this machine's."""
    transport = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=server.url, headers=headers, transport=transport, timeout=60)


def keys(verb: str, *arguments: str, file: Path) -> subprocess.CompletedProcess[str]:
    """Run `framemill keys`."""
    command = [*COMMAND, "keys", verb, *arguments, "--file", str(file)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60)


def add_key(name: str, scope: Word, file: Path) -> str:
    """Make a key as the command does, and return it."""
    key = new_key()
    with changing(file) as entries:
        entries[name] = Entry(scope=scope, sha256=digest_of(key).hex())
    return key


def remove_key(name: str, file: Path) -> None:
    """Take a key away as the command does."""
    with changing(file) as entries:
        del entries[name]
