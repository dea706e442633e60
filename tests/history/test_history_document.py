"""docs/history.md: its commands work as printed, its table has the tables, its numbers are those of the settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from service.history.schema import decision_tables, part_tables, quarter_tables
from service.history.schema.tables import METADATA
from service.settings import Settings
from tests.results.served import post, project_in
from tests.support.faults import until
from tests.support.running import CHECKOUT, Server, command, serving

pytestmark = pytest.mark.long

DOCUMENT = (CHECKOUT / "docs" / "history.md").read_text()
COMMANDS = re.findall(r"^framemill (history PROJECT.*?) +#", DOCUMENT, flags=re.MULTILINE)


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = project_in(tmp_path_factory.mktemp("history") / "p")
    with serving(project, "--workers", "1", "--record", "async") as running:
        post(running, "nok", part="4711")
        post(running, part="4712")
        until(lambda: running.status()["history"].get("recorded") == 2)
        yield running


def _lines(server: Server, line: str) -> list[str]:
    done = command(*(server.project if word == "PROJECT" else word for word in line.split()))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_commands_work_as_printed(server: Server) -> None:
    table, nok, part = (_lines(server, line) for line in COMMANDS)
    assert [re.findall(r"\b(N?OK)\b", line) for line in table] == [["OK"], ["NOK"]]
    assert len(nok) == 2
    assert ",4711,nok," in nok[1]
    assert [json.loads(line)["part"] for line in part] == ["4711"]


def test_a_time_that_is_none_and_a_project_without_a_history_are_told(server: Server, tmp_path: object) -> None:
    wrong = command("history", server.project, "--since", "yesterday")
    assert wrong.returncode == 2
    assert "90m, 2h, 7d ago was expected, got 'yesterday'" in wrong.stderr
    assert command("history", server.project, "--until", "2h").stdout == ""
    assert len(command("history", server.project, "--since", "2026-01-01", "--jsonl").stdout.splitlines()) == 2
    nothing = command("history", "--state-dir", tmp_path)
    assert nothing.returncode == 4
    assert "there is no history" in nothing.stderr


def test_the_tables_and_numbers_are_those_of_the_code() -> None:
    named = {
        name for row in re.findall(r"^\| (`\w.*?) \|", DOCUMENT, flags=re.MULTILINE) for name in re.findall(r"\w+", row)
    }
    assert {*decision_tables.TABLES, *part_tables.TABLES, *quarter_tables.TABLES} < {*METADATA.tables.values()}
    assert named == set(METADATA.tables)
    defaults = Settings.model_fields
    assert f"`history_days` ({defaults['history_days'].default})" in DOCUMENT
    assert f"`history_records` ({defaults['history_records'].default:,};" in DOCUMENT.replace("\n", " ")
