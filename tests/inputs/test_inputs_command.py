"""`framemill inputs`: what holds on a running server is told and set, all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.cli.command_line import main
from tests.inputs.test_inputs_of_a_server import INPUTS, TELL, found
from tests.support.running import Server, command, serving, write_project


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(write_project(tmp_path_factory.mktemp("inputs") / "p", INPUTS, tell=TELL)) as running:
        yield running


def _run(server: Server, *arguments: str) -> Result:
    """Run it in this process: a Python of its own for each takes a second."""
    return CliRunner().invoke(main, ["inputs", *arguments, "--url", server.url])


def test_values_are_told_set_and_set_back(server: Server) -> None:
    told = _run(server)
    assert told.exit_code == 0, told.stderr
    revision = int(told.stdout.split()[-1])
    assert told.stdout.splitlines()[:4] == [
        "limit   0.8 mm  (default)",
        "lot       (default)",
        "shift   early  (default)",
        "strict  off  (default)",
    ]
    changed = _run(server, "limit=0,9", "lot=A=7", "shift=night", "strict=on")
    assert changed.stdout.splitlines() == [
        "limit   0.9 mm",
        "lot     A=7",
        "shift   night",
        "strict  on",
        f"revision {revision + 1}",
    ]
    with server.client() as client:
        assert found(client) == {"limit": 0.9, "lot": "A=7", "shift": "night", "strict": True}
        assert _run(server, "--default", "limit", "--default", "strict", "lot=").exit_code == 0
        assert found(client) == {"limit": 0.8, "lot": "", "shift": "night", "strict": False}


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("limit=9",), 1, "limit: is 9, expected 0.1 to 2"),
        (("limit=0.5", "shift=noon"), 1, "shift: is 'noon', expected one of early, late, night"),
        (("limit=much",), 1, "limit: is 'much', expected a number"),
        (("strict=perhaps",), 1, "strict: is 'perhaps', expected true or false"),
        (("nothing=1",), 1, "nothing: there is no input of this name; known are limit, lot, shift, strict"),
        (("--default", "nothing"), 1, "nothing: there is no input of this name"),
        (("=1",), 1, "there is no input of this name"),
        (("limit",), 2, "'limit' sets nothing: expected NAME=VALUE, or --default limit"),
        (("lot=\udcff",), 2, "is not UTF-8"),
        (("limit=0.5", "--url", "http://127.0.0.1:9"), 4, "is the server running"),
    ],
)
def test_what_cannot_be_set_is_said_and_nothing_is(
    server: Server, arguments: tuple[str, ...], status: int, said: str
) -> None:
    with server.client() as client:
        before = client.get("/api/v1/inputs").json()
        done = CliRunner().invoke(main, ["inputs", "--url", server.url, *arguments])
        assert (done.exit_code, said in done.stderr) == (status, True), done.stderr
        assert client.get("/api/v1/inputs").json() == before


@pytest.mark.long
def test_a_project_without_inputs_says_so(tmp_path: Path) -> None:
    with serving(write_project(tmp_path / "p")) as server:
        done = command("inputs", "--url", server.url)
    assert (done.returncode, done.stdout) == (0, "the project has no inputs ([[input]] in framemill.toml)\n")
