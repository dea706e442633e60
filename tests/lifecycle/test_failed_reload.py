"""A reload that fails says why to whoever asked for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.running import CHECKOUT, Server, serving, write_project

FLOW = '[[flow]]\nmodule = "code"\nfile = "code/look.py"\n'
GOOD = "def main(context):\n    pass\n"


def reload(server: Server) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli", "reload", "--url", server.url]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.long
def test_the_command_prints_why_and_the_version_before_goes_on(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, look=GOOD)
    with serving(project, "--workers", "1") as server:
        version = server.status()["flowVersion"]
        code = project / "code" / "look.py"
        for source, why in {
            "def main(context:\n": "flow[0].file: code/look.py: line 1:",  # while it is read
            f"{GOOD}1 / 0\n": "code/look.py, line 3: ZeroDivisionError: division by zero",  # while it is loaded
        }.items():
            code.write_text(source)
            done = reload(server)
            assert done.returncode == 1
            assert done.stderr.startswith(f"framemill: nothing has changed: version {version} goes on: ")
            assert why in done.stderr
            assert server.status()["flowVersion"] == version
        assert server.status()["failed_reloads"] == 2
        code.write_text(f"{GOOD}# better\n")
        done = reload(server)
        assert (done.returncode, done.stdout) == (
            0,
            f"reloaded: version {server.status()['flowVersion']} runs, before it was {version}\n",
        )
        assert server.status()["flowVersion"] != version


@pytest.mark.long
def test_a_long_reason_is_cut(tmp_path: Path) -> None:
    tables = '[[flow]]\nmodule = "no such module"\n' * 200
    project = write_project(tmp_path / "p", FLOW, look=GOOD)
    with serving(project, "--workers", "1") as server:
        (project / "framemill.toml").write_text(f'[project]\nname = "p"\n{tables}')
        done = reload(server)
        assert "there is no module 'no such module'" in done.stderr
        assert 2000 < len(done.stderr) < 10_000
        assert 2000 < len(server.status()["reload_failure"]) < 3200


@pytest.mark.long
@pytest.mark.parametrize("name", ["failed_reloads", "reload_failure"])
def test_status_says_nothing_of_a_failure_before_there_is_one(tmp_path: Path, name: str) -> None:
    with serving(write_project(tmp_path / "p", FLOW, look=GOOD), "--workers", "1") as server:
        assert not server.status()[name]
