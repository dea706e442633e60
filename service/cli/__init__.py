"""The command line: `framemill ...`. One file per command."""

from __future__ import annotations

import importlib

import click

_COMMANDS = ("serve", "check", "process", "reload", "send", "replay", "keys", "bench")


class _Commands(click.Group):
    """Imports a command when it is asked for: a server that is started again should not wait for what clients need."""

    def list_commands(self, _: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f"service.cli.{name}"), name)
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="framemill", prog_name="framemill")
def main() -> None:
    """Framemill inspects the frames of production cameras.

    \b
    Example:
      framemill serve deploy/projects/board
      framemill send part.jpg
      framemill bench deploy/projects/board part.jpg

    Exit statuses: 0 done (send: all parts OK), 1 failed (bench: not one camera is sustained), 2 wrong use, 3 the
    project or the settings have mistakes, 4 the server could not start or cannot be reached, 5 it was ended by force,
    6 a part is NOK, 130 bench was interrupted.
    """
