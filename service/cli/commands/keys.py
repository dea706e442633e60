"""`framemill keys`: the file of keys, one for each client."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click

from service.access.key_file import Entry, Word, changing, checked_name, parse, read_text
from service.access.keyring import SINGLE, digest_of, new_key
from workers.errors import SettingsInvalid
from workers.standard_streams import lost

_FAILED = 1
_MISTAKES = 3

_file_option = click.option(
    "--file",
    "path",
    envvar="FRAMEMILL_KEYS_FILE",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="the file of keys, the server's setting keys_file",
)


def _name(_: click.Context, __: click.Parameter, value: str) -> str:
    try:
        checked_name(value)
    except ValueError:
        raise click.BadParameter("a name has 1 to 64 letters, digits, - and _") from None
    if value == SINGLE:
        raise click.BadParameter(f"{SINGLE} is the name of the setting's own key")
    return value


@click.group()
def keys() -> None:
    """Give each client a key of its own, or take one away.

    \b
    Example:
      framemill keys add camera-3 --scope analyze --file keys.toml
      framemill serve deploy/projects/board --keys-file keys.toml

    A running server takes changes over within a second. Scopes: analyze (send frames, see results), operate (and
    throw the Process switch), admin (and reload the project).
    """


@keys.command()
@click.argument("name", callback=_name)
@click.option("--scope", type=click.Choice(["analyze", "operate", "admin"]), required=True, help="what it allows")
@_file_option
def add(name: str, scope: Word, path: Path) -> None:
    """Make a key for client NAME and print it, once: only its hash is kept.

    \b
    Example:
      framemill keys add camera-3 --scope analyze --file keys.toml
    """
    key = new_key()
    with _entries(path) as entries:
        if name in entries:
            _fail(_FAILED, f"{name} has a key already; framemill keys remove {name} takes it away")
        now = datetime.now(UTC).replace(microsecond=0)
        entries[name] = Entry(scope=scope, sha256=digest_of(key).hex(), created=now)
    click.echo(key)
    if trouble := lost():
        with _entries(path) as entries:
            entries.pop(name, None)
        _fail(_FAILED, f"the key could not be printed, so it was not added: {trouble.strerror}")


@keys.command()
@click.argument("name", callback=_name)
@_file_option
def remove(name: str, path: Path) -> None:
    """Take the key of client NAME away.

    \b
    Example:
      framemill keys remove camera-3 --file keys.toml
    """
    with _entries(path) as entries:
        if entries.pop(name, None) is None:
            _fail(_FAILED, f"there is no key of {name} in {path}")


@keys.command("list")
@_file_option
def list_(path: Path) -> None:
    """Print name, scope and date of each key.

    \b
    Example:
      framemill keys list --file keys.toml
    """
    try:
        entries = parse(read_text(path))
    except SettingsInvalid as error:
        _fail(_MISTAKES, error.message)
    for name, entry in entries.items():
        made = f"{entry.created:%Y-%m-%d}" if entry.created else ""
        click.echo(f"{name:24} {entry.scope:8} {made}".rstrip())


@contextmanager
def _entries(path: Path) -> Iterator[dict[str, Entry]]:
    try:
        with changing(path) as entries:
            yield entries
    except SettingsInvalid as error:
        _fail(_MISTAKES, error.message)
    except OSError as error:
        _fail(_FAILED, f"{path} cannot be written: {error.strerror}")


def _fail(status: int, message: str) -> NoReturn:
    click.echo(f"framemill: {message}", err=True)
    sys.exit(status)
