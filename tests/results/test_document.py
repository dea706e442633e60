"""docs/results.md: what it prints works as printed, and its table has what a record has."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.results.seats import SEATS
from tests.results.served import FRAME, RAW, post, project_in
from tests.support.faults import until
from tests.support.running import CHECKOUT, Server, serving

DOCUMENT = (CHECKOUT / "docs" / "results.md").read_text()


def _block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOCUMENT, flags=re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(project_in(tmp_path_factory.mktemp("results") / "p"), "--workers", "1") as running:
        yield running


def test_the_commands_work_and_the_table_names_what_they_print(server: Server) -> None:
    post(server, "nok", part="4711")
    post(server, path="/analyze_raw_image?width=1&height=1")
    post(server, "large")
    line = next(line for line in _block("sh").splitlines() if "--all" in line)
    command = line.partition("#")[0].replace("framemill", "-I -m service.cli").split()
    arguments = [str(server.project) if word == "PROJECT" else word for word in command]
    done = subprocess.run(
        [sys.executable, *arguments, "--json"], cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60
    )
    printed = [json.loads(one) for one in done.stdout.splitlines()]
    assert len(printed) == 3
    keys = {key for one in printed for key in one} - {"kind"}
    rows = re.findall(r"^\| (`.*?) \|", DOCUMENT, flags=re.MULTILINE)
    assert keys <= {name for row in rows for name in re.findall(r"`(\w+)`", row)} | {"contextLeftOutBytes"}
    times = {name.removesuffix("_ms") for name in printed[0]["timings"]}
    assert times == set(re.findall(r"`(\w+)`", next(line for line in DOCUMENT.splitlines() if "`timings`" in line))) - {
        "timings"
    }


def test_the_program_follows_until_the_server_ends(server: Server, tmp_path: Path) -> None:
    program = _block("python").replace("deploy/projects/board", str(server.project))
    (tmp_path / "program.py").write_text(f"import sys\nsys.path.insert(0, {str(CHECKOUT)!r})\n{program}")
    with subprocess.Popen([sys.executable, str(tmp_path / "program.py")], stdout=subprocess.PIPE, text=True) as follows:
        until(lambda: any(one["is_there"] for one in server.status()["followers"]))
        with server.client() as client:
            ids = [client.post(RAW, content=FRAME).json()["id"] for _ in range(3)]
        until(lambda: [one["behind"] for one in server.status()["followers"] if one["name"] == "my program"] == [0])
        server.stop()
        told, _ = follows.communicate(timeout=60)
    assert follows.returncode == 0
    assert [line.split()[0] for line in told.splitlines()][-3:] == ids
    assert "['scratch']" in told


def test_its_numbers_are_those_of_the_code() -> None:
    assert f"{SEATS} may follow at once" in DOCUMENT
