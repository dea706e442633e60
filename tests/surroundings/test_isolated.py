"""Nobody else's modules are taken for ours: each process starts in a hostile folder with a hostile environment."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.clients.page import Tags
from tests.support.faults import until
from tests.support.installed import code_of, install_copy
from tests.support.pictures import png
from tests.support.running import CHECKOUT, Server, serving, write_project
from tests.surroundings.hostile_folder import HostileFolder

CODE = """
import pathlib, queue, random, sys
from multiprocessing import get_context

import beside

def main(context):
    context["found"] = [queue.__file__, random.__file__, beside.__file__]
    context["path"] = sys.path
    if context["data"] == "with a child":
        with get_context("spawn").Pool(1) as pool:
            context["child"] = pool.apply(beside.path)
"""
BESIDE = """
import sys

def path():
    return sys.path
"""
_LIBRARY = f"python{sys.version_info.major}.{sys.version_info.minor}"
FLOW = '[[flow]]\nmodule = "code"\nfile = "code/see.py"\n'


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `framemill`, as it is installed."""
    return install_copy(tmp_path_factory.mktemp("installed") / "here").with_name("framemill")


@pytest.fixture
def hostile(tmp_path: Path) -> HostileFolder:
    return HostileFolder(tmp_path / "hostile")


def run(hostile: HostileFolder, *arguments: object, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, arguments)),
        cwd=hostile.path,
        env={**os.environ, **hostile.environment, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_the_folder_is_hostile_to_a_python_that_is_not_isolated(hostile: HostileFolder) -> None:
    subprocess.run([sys.executable, "-c", "import queue"], env={"PYTHONPATH": str(hostile.path)}, check=True)
    assert set(hostile.found.split()) == {"sitecustomize", "usercustomize", "queue"} - _unless_user_site()


def _unless_user_site() -> set[str]:
    # in a virtual environment Python looks for no modules of the user's own
    return {"usercustomize"} if sys.prefix != sys.base_prefix else set()


def _found(seen: dict[str, Any]) -> list[str]:
    """Where modules were found; each load of the project has a copy of its own."""
    return [re.sub(r".*/framemill-versions-[^/]+/[^/]+/files/", "copy/", name) for name in seen["found"]]


@pytest.mark.long
def test_a_server_its_fronts_workers_and_successor_are_isolated(
    tmp_path: Path, command: Path, hostile: HostileFolder
) -> None:
    project = write_project(tmp_path / "p", FLOW, see=CODE, beside=BESIDE)
    launcher = ["env", "-C", str(hostile.path)]
    python = command.with_name("python3")
    with serving(project, "--workers", "1", env=hostile.environment, launcher=launcher, python=python) as server:
        seen = _inspected(server, data="with a child")
        server.process.send_signal(signal.SIGHUP)
        until(lambda: any("was reloaded" in line for line in server.log))
        assert _found(_inspected(server)) == _found(seen)
        server.process.send_signal(signal.SIGUSR2)
        until(lambda: any("answers in place" in line for line in server.log))
        next_pid = int(next(line for line in server.log if "answers in place" in line).split()[3])
        try:
            assert _found(_inspected(server)) == _found(seen)
        finally:
            os.kill(next_pid, signal.SIGTERM)
            until(lambda: not Path(f"/proc/{next_pid}").exists())
    assert hostile.found == ""
    assert [Path(name).parent.name for name in seen["found"]] == [_LIBRARY, _LIBRARY, "code"]
    assert _found(seen)[2] == "copy/code/beside.py"
    for path in (seen["path"], seen["child"]):
        assert path[0] == str(Path(seen["found"][2]).parent)
        assert not any(place == "" or place.startswith(str(hostile.path)) for place in path)


def _inspected(server: Server, data: str = "") -> dict[str, list[str]]:
    with server.client() as client:
        answer = client.post(f"/analyze_raw_image?width=4&height=4&data={data}", content=bytes(16)).json()
    assert answer["errors"] == []
    found: dict[str, list[str]] = answer
    return found


@pytest.mark.long
def test_every_other_command_is_isolated(tmp_path: Path, command: Path, hostile: HostileFolder, server: Server) -> None:
    project = write_project(tmp_path / "p", FLOW, see=CODE, beside=BESIDE)
    image = tmp_path / "part.png"
    image.write_bytes(png(np.zeros((4, 4, 3), np.uint8)))
    env = {"FRAMEMILL_URL": server.url}
    for arguments, status in (
        (("check", project), 0),
        (("send", image), 0),
        (("process", "status"), 0),
        (("replay", project, image), 0),
        (("keys", "add", "camera", "--scope", "analyze", "--file", tmp_path / "keys.toml"), 0),
    ):
        done = run(hostile, command, *arguments, env=env)
        assert (done.returncode, hostile.found) == (status, ""), f"{arguments}: {done.stdout}{done.stderr}"


@pytest.mark.long
def test_a_bench_its_server_and_its_cameras_are_isolated(tmp_path: Path, command: Path, hostile: HostileFolder) -> None:
    image = tmp_path / "part.png"
    image.write_bytes(png(np.zeros((4, 4, 3), np.uint8)))
    short = ("--takt-ms", 200, "--step-s", 2, "--max-cameras", 1, "--workers", 1)
    done = run(hostile, command, "bench", write_project(tmp_path / "p"), image, *short, env={"FRAMEMILL_SLOTS": "4"})
    assert (done.returncode, hostile.found) == (0, ""), f"{done.stdout}{done.stderr}"


def test_the_vendors_starter_is_isolated(command: Path, hostile: HostileFolder) -> None:
    starter = CHECKOUT / "deploy" / "pekat_vision" / "pekat_vision"
    env = {"FRAMEMILL_PYTHON": str(command.with_name("python3"))}
    done = run(hostile, starter, "-data", "/nowhere", env=env)
    assert "there is no such folder" in done.stdout
    assert hostile.found == ""


def test_without_isolation_the_module_starts_itself_anew_in_it(tmp_path: Path, command: Path) -> None:
    # `service` itself is found in the working folder before anything of ours runs: hence the command
    hostile = HostileFolder(tmp_path / "hostile", without=("service", "sitecustomize"))
    python = command.with_name("python3")
    done = subprocess.run(
        [python, "-m", "service.cli", "--help"], cwd=hostile.path, capture_output=True, text=True, check=False
    )
    assert "framemill serve" in done.stdout
    assert hostile.found == ""


def test_the_command_can_be_a_link_and_be_run_by_python(tmp_path: Path, command: Path) -> None:
    (tmp_path / "framemill").symlink_to(command)
    for started in ([tmp_path / "framemill"], [command.with_name("python3"), command]):
        done = subprocess.run([*started, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("framemill, version")


@pytest.mark.long
def test_a_wheel_brings_the_command(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(CHECKOUT)], check=True)
    python = install_copy(tmp_path / "here")
    for package in ("service", "workers"):
        (code_of(tmp_path / "here") / package).rename(tmp_path / package)
    python.with_name("framemill").unlink()
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True)
    done = subprocess.run([python.with_name("framemill"), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("framemill, version")
    with serving(write_project(tmp_path / "p"), python=python) as server:
        assert httpx.get(f"{server.url}/readyz", trust_env=False).status_code == 200
        page = httpx.get(f"{server.url}/", headers={"Accept-Language": "cs"}, trust_env=False)
        assert Tags(page.text).named("html")[0]["lang"] == "cs"
        for tag in Tags(page.text).named("link"):
            assert httpx.get(f"{server.url}/{tag['href']}", trust_env=False).status_code == 200
