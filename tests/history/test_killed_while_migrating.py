"""Killed while a history is brought to its present form, the next start finds all that was in it."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from service.history.database import open_to_write
from service.history.marks import mark_of
from service.history.places.place import Place, PostgresUrl
from service.history.writing.store import Store
from tests.history.kept import NOW_NS, parts, record, rows
from tests.history.test_forms import FORMS
from tests.support.databases.cluster import Cluster

pytestmark = pytest.mark.long

MARK = str(mark_of(os.getpid()))


def _is_killed(place: Place, step: int) -> bool:
    """Open the database in a process that is killed at statement `step`, commits among them; False where all ran."""
    pid = os.fork()
    if pid == 0:
        try:
            _die_at(step)
            open_to_write(place).dispose()
        finally:
            os._exit(0)
    _, status = os.waitpid(pid, 0)
    return os.WIFSIGNALED(status)


def _die_at(step: int) -> None:
    steps = itertools.count()

    def count(*_: Any) -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("before_cursor_execute", "commit"):
        event.listen(Engine, name, count)


def _at_each_step(look: Callable[[int], bool], stride: int = 1) -> int:
    """Call `look` for each step until it is not killed any more; returns how often it was."""
    killed = 0
    while look(killed * stride):
        killed += 1
    return killed


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_a_file_of_each_form_loses_nothing(form: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.sqlite"
    with closing(sqlite3.connect(whole)) as connection:
        connection.executescript(form.read_text())
    forms: set[str] = set()

    def look(step: int) -> bool:
        path = tmp_path / str(step) / "history.sqlite"
        path.parent.mkdir()
        shutil.copy(whole, path)
        killed = _is_killed(path, step)
        forms.add(_form(path))
        store = Store.begin(path, MARK, NOW_NS)
        store.write([record(1)], None)
        store.close()
        assert rows(path, "PRAGMA integrity_check") == [("ok",)]
        assert parts(path) == ["0-4", "0-1", "0-1"]
        return killed

    assert _at_each_step(look) > 10
    open_to_write(tmp_path / "new.sqlite").dispose()
    assert forms == {form.stem.removeprefix("form_"), _form(tmp_path / "new.sqlite")}


def _form(path: Path) -> str:
    ((form,),) = rows(path, "SELECT version_num FROM alembic_version")
    return str(form)


def test_a_new_database_of_postgres_is_made_whole_or_not_at_all(cluster: Cluster) -> None:
    def look(step: int) -> bool:
        url = PostgresUrl(cluster.database())
        killed = _is_killed(url, step)
        store = Store.begin(url, MARK, NOW_NS)
        store.write([record(1)], None)
        store.close()
        assert parts(url) == ["0-1"]
        return killed

    assert _at_each_step(look, stride=5) > 10
