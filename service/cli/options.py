"""Every setting as an option of the command line, made from the settings themselves."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from pydantic import SecretStr

from service.settings import Settings
from workers.settings import PoolSettings
from workers.text import Told, is_utf8

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

# of commands that try files
DATA_HELP = "free text for the flow: context['data']; {stem} is the file's name without ending, {folder} its folder's"

_TOLD = {
    "data": DATA_HELP,
    "camera": "which camera the frames say that they are from: context['frame']['camera']; likewise",
    "view": "which view of a part they say that they are: context['frame']['view']; likewise",
}

_Given = TypeVar("_Given", str, Path, None)

# where more can be said than the description of the setting does
_HELP = {
    "host": "address to listen on; default 127.0.0.1",
    "port": "TCP port; default 8000, 0 for any free one",
    "workers": "processes that inspect frames; default one per core",
    "fronts": "processes that speak HTTP; by default the server chooses",
    "keys_file": "file with a key for each client: framemill keys",
    "stop_key": "key that /stop asks for; without one /stop does not exist",
    "state_dir": "where the Process switch is kept; default .framemill in the project",
    "api_key": "the API key itself; whoever may list processes sees it, so --api-key-file is safer",
    "worker_memory_mib": "private memory of a worker in MiB, 0 for no limit; default 4/5 of the machine, shared",
}
_INTEGERS = {"port", "workers", "fronts"}  # click says itself where these are none


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add an option for every setting; what was not given is None. The values are checked with all others."""
    own, pool = Settings.model_fields.keys() - PoolSettings.model_fields.keys(), PoolSettings.model_fields
    for name in reversed([*(name for name in Settings.model_fields if name in own), *pool]):
        command = _option(name, Settings.model_fields[name])(command)
    return command


def told_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --data, --camera and --view; the command is handed `told`, patterns of what is said with each file."""

    @functools.wraps(command)
    def gathered(*arguments: Any, **named: Any) -> Any:
        return command(*arguments, told=Told(*(named.pop(name) for name in Told._fields)), **named)

    for name in reversed(Told._fields):
        gathered = click.option(f"--{name}", default="", callback=utf8, help=_TOLD[name])(gathered)
    return gathered


def utf8(_: click.Context, __: click.Parameter, value: _Given) -> _Given:
    """Refuse text and paths that could not be told to other processes: a callback of click's."""
    if not is_utf8(Path(value).absolute() if value else Path()):
        raise click.BadParameter("is not UTF-8")
    return value


def _option(name: str, field: FieldInfo) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    dashed = name.replace("_", "-")
    text = _HELP.get(name) or f"{field.description}{_default(field)}"
    if field.annotation is bool:
        return click.option(f"--{dashed}/--no-{dashed}", default=None, help=text)
    if name in _INTEGERS:
        return click.option(f"--{dashed}", type=int, help=text)
    if "Path" in str(field.annotation):
        return click.option(f"--{dashed}", type=click.Path(path_type=Path), help=text)
    return click.option(f"--{dashed}", type=str, metavar=_metavar(field), help=text)


def _default(field: FieldInfo) -> str:
    value = field.default
    if value is None or field.default_factory is not None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, frozenset):
        return f"; default {','.join(sorted(value))}"
    return f"; default {value}" if value else ""


def _metavar(field: FieldInfo) -> str:
    return "INTEGER" if field.annotation is int else "NUMBER" if field.annotation is float else "TEXT"
