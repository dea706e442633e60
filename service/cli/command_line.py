"""Which commands there are: what lies in commands/; and how each begins and ends."""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from service.cli import commands
from workers.standard_streams import begin_streams, lost

_FAILED = 1
_WRONG_USE = 2
_INTERRUPTED = 130


class _Commands(click.Group):
    """Imports a command when it is asked for: a server that is started again should not wait for what clients need."""

    def list_commands(self, _: click.Context) -> list[str]:
        return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))

    def get_command(self, _: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(_):
            return None
        command: click.Command = getattr(importlib.import_module(f"{commands.__name__}.{name}"), name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run what was asked for; who interrupts it has one line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ends_echo = "\n" if sys.stderr.isatty() else ""  # of the ^C
            click.echo(f"{ends_echo}framemill: interrupted", err=True)
            ctx.exit(_INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="framemill", prog_name="framemill")
def main() -> None:
    """Framemill inspects the frames of production cameras.

    \b
    Example:
      framemill new screws --good good_part.png
      framemill run deploy/projects/board deploy/projects/board/samples
      framemill train screws good_pictures
      framemill serve deploy/projects/board
      framemill send part.jpg
      framemill bench deploy/projects/board part.jpg

    Exit statuses: 0 done (send, run: all parts OK), 1 failed (bench: not one camera is sustained), or what was to be
    printed could not be, 2 wrong use, 3 the project or the settings have mistakes, 4 the server could not start or
    cannot be reached, 5 it was ended by force, 6 a part is NOK, 130 interrupted.
    """


def run(command: click.Command = main, name: str = "framemill") -> NoReturn:
    """Be `command`: what this process was started with does not count, and it ends with the status that is meant."""
    begin_process()
    status = _status_of(command, name)
    trouble = lost()
    if status == _INTERRUPTED:
        # Python would end itself by SIGINT where an extension module met it, whatever became of it after that
        sys.stderr.flush()
        os._exit(status)
    if trouble and status == 0:
        status = _FAILED  # not for one that says more
        if trouble.errno != errno.EPIPE:  # who reads no further knows
            click.echo(f"{name}: what was said could not be written: {trouble.strerror}", err=True)
    sys.exit(status)


def begin_process() -> None:
    """Put right what whoever started this process may have left: closed streams, signals that are held or ignored."""
    begin_streams()
    os.umask(os.umask(0o077) & ~0o700)  # what is written here can be read here
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored, nobody learns how a child ended
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


@contextmanager
def interrupted_afterwards() -> Iterator[None]:
    """Have Ctrl-C come when this is done: an extension module that is being loaded may swallow the exception."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    came = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if came:
        raise KeyboardInterrupt


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Have the signals that end a program come as an exception, so that what it has begun is ended on the way out."""

    def end(number: int, _: object) -> NoReturn:
        sys.exit(128 + number)

    changed = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in changed:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _status_of(command: click.Command, name: str) -> int:
    try:
        os.getcwd()  # noqa: PTH109 - only whether there is one
    except OSError as error:
        click.echo(f"{name}: there is no working folder any more ({error.strerror}); change to one", err=True)
        return _WRONG_USE
    try:
        status = command.main(prog_name=name, standalone_mode=False)
    except click.Abort:
        click.echo(f"{name}: interrupted", err=True)
        return _INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else _FAILED if end.code else 0
    return status if isinstance(status, int) else 0


def what_is_missing(error: OSError | MemoryError) -> str:
    """Say why a server cannot start where its machine refuses it something."""
    if isinstance(error, MemoryError) or error.errno == errno.ENOMEM:
        return "the server is not allowed the memory that it needs; raise the limit (ulimit -v), or ask for fewer slots"
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return "the server is not allowed the descriptors that it needs; raise the limit (ulimit -n), 4,400 are enough"
    return f"the server cannot start: {error}"
