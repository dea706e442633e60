"""Commands below `framemill history`: whatever else comes first is a project."""

from __future__ import annotations

from typing import Any

import click

from service.cli.history.export import export
from service.cli.history.statistics import statistics

_OTHERS = {"export": export, "statistics": statistics}


class OrAnother(click.Command):
    """`framemill history export ...` is a command of its own; a project of that name is `./export`."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """See click: the context says which command is invoked."""
        if args and (other := _OTHERS.get(args[0])) is not None:
            return other.make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)
