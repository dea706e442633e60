"""`framemill results`: what becomes of each frame, as it happens."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from service.cli.client import UNREACHABLE, fail
from service.cli.history.place import state_dir_of
from service.results.follow import CannotFollow, Follower, Start
from service.results.record import Kind
from workers.text import shown_on_terminal

if TYPE_CHECKING:
    from service.results.record import Record

_NAME = "results"
_NEXT_SERVER_S = 2.0
_LOOK_S = 0.05


@click.command()
@click.argument("project", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--state-dir", type=click.Path(path_type=Path, file_okay=False), help="where that server keeps its state")
@click.option("--all", "from_oldest", is_flag=True, help="begin with the oldest that the server still has")
@click.option("--count", type=click.IntRange(min=1), help="end after so many frames")
@click.option("--until-now", is_flag=True, help="end where nothing more is there; with --all what the server still has")
@click.option("--json", "as_json", is_flag=True, help="print all that is known, one line of JSON each")
@click.option("--context/--no-context", default=True, show_default=True, help="with --json: the contexts, too")
def results(
    project: Path | None,
    state_dir: Path | None,
    from_oldest: bool,
    count: int | None,
    until_now: bool,
    as_json: bool,
    context: bool,
) -> None:
    """Print a line for each frame that the server of PROJECT answers, from now on.

    The server must run on this machine as the same user. What came and could not be printed in time is counted and
    told; the server waits for nobody.

    \b
    Example:
      framemill results deploy/projects/board
      framemill results deploy/projects/board --all --until-now --json

    Exit status 0 at the end (the server ended, or as asked), 3 when the project or the settings have mistakes, 4 when
    no server answers, 130 interrupted.
    """
    folder = state_dir_of(project, state_dir)
    told = _Told(as_json=as_json, context=context, most=count)
    start = Start.OLDEST if from_oldest else Start.NOW
    try:
        with Follower.of(folder, _NAME, start) as follower:
            is_full = told.all_of(follower, until_now=until_now)
        while not is_full and not until_now and (next_one := _next_server(folder)):
            with next_one:
                is_full = told.all_of(next_one, until_now=until_now)
    except CannotFollow as error:
        fail(UNREACHABLE, str(error))


def _next_server(folder: Path) -> Follower | None:
    """Follow the server that has taken over; None where there is none."""
    give_up_s = time.monotonic() + _NEXT_SERVER_S
    while time.monotonic() < give_up_s:
        try:
            return Follower.of(folder, _NAME, Start.OLDEST)
        except CannotFollow:
            time.sleep(_LOOK_S)
    return None


class _Told:
    """Prints records."""

    def __init__(self, *, as_json: bool, context: bool, most: int | None) -> None:
        self._as_json = as_json
        self._context = context
        self._left = most

    def all_of(self, follower: Follower, *, until_now: bool) -> bool:
        """Print what comes until its server has ended, or nothing more is wanted; returns whether that is so."""
        missed = follower.missed
        while True:
            for record in follower.read():
                self._print(record)
                if self._left == 0:
                    return True
            sys.stdout.flush()
            follower.done()
            if follower.missed > missed:
                print(f"framemill: {follower.missed - missed} were missed", file=sys.stderr)
                missed = follower.missed
            if follower.behind:
                continue
            if follower.is_over or until_now:
                return False
            follower.wait(1.0)

    def _print(self, record: Record) -> None:
        is_frame = record.head.kind is Kind.FRAME
        if self._as_json:
            print(orjson.dumps(record.document(with_context=self._context)).decode())
        else:
            print(_LINES[record.head.kind](record))
        if self._left is not None and is_frame:
            self._left -= 1


def _line(record: Record) -> str:
    about, head = record.about, record.head
    words = [record.time, f"{record.word:5}", f"{head.times.took_ns / 1e6:7.1f} ms", str(about.get("camera", ""))]
    words += [f"held by {record.held}"] if record.held is not None else []
    if "part" in about:
        words.append(f"part {about['part']}")
    if "code" in record.told:
        words.append(f"{head.status} {record.told['code']}: {record.told.get('message', '')}")
    else:
        words += [f"score {score:.2f}"] if isinstance(score := record.essence.get("score"), int | float) else []
        words += map(str, record.essence.get("labels", ()))
    return shown_on_terminal("  ".join(words))


def _refused(record: Record) -> str:
    told = [
        f"{entry.get('client') or 'others'}: {entry.get('count')} ({entry.get('status')})"
        for entry in record.told.get("refused", ())
        if isinstance(entry, dict)
    ]
    return shown_on_terminal("  ".join([record.time, "REFUSED", *told]))


def _part(record: Record) -> str:
    return shown_on_terminal("  ".join([record.time, f"{record.word:5}", *part_words(record.document())]))


def part_words(told: dict[str, Any]) -> list[str]:
    """Return what a line says of a part that several frames make, behind its time and verdict."""
    views = [f"{view['view']} {view['verdict']}" for view in told["views"]]
    why = [told["why"]] if told["why"] else []
    return [f"{told['took_ms']:7.1f} ms", f"part {told['part']} of {len(views)} views", *why, *views]


_LINES = {Kind.FRAME: _line, Kind.REFUSALS: _refused, Kind.PART: _part}
