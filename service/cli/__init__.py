"""The command line: `framemill ...`. One file per command."""

from __future__ import annotations

import click

from service.cli.bench import bench
from service.cli.check import check
from service.cli.keys import keys
from service.cli.process import process
from service.cli.reload import reload
from service.cli.replay import replay
from service.cli.send import send
from service.cli.serve import serve


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
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


for command in (serve, check, process, reload, send, replay, keys, bench):
    main.add_command(command)
