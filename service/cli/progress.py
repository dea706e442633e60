"""Bars for what takes a while; on a terminal only."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column

_WORDS = 32  # of what is being done: a bar stays where it is
_MANY = 10  # fewer than this are done before a bar could be read

_Item = TypeVar("_Item")


def with_progress(items: Iterable[_Item], total: int) -> Iterator[_Item]:
    """Yield the items; on a terminal, and for many of them, with a bar."""
    console = Console(stderr=True)
    if total < _MANY or not console.is_terminal:
        yield from items
        return
    columns = (TextColumn("frames"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # lines printed on the same terminal must go above the bar, those for a file must not
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
        yield from progress.track(items, total)


@contextmanager
def bar_of_shares(begins_with: str) -> Iterator[Callable[[str, float], None]]:
    """Yield what is told what is being done, and how much of the whole is done, 0 to 1; on a terminal it is a bar."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _doing, _share: None
        return
    words = TextColumn("{task.description}", table_column=Column(width=_WORDS, no_wrap=True))
    columns = (words, BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task(begins_with, total=1.0)
        yield lambda doing, share: progress.update(task, description=doing or begins_with, completed=share)
