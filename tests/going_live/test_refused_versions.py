"""A new version that is broken in any way is refused, the answer says why, and the one before goes on."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.going_live.proved import JUDGE, ask, edition, edition_of, proved_project, save
from tests.support.faults import children_of, is_gone, until
from tests.support.running import CHECKOUT, Server, serving
from tests.support.versions import template_of, templates_of, under_load

pytestmark = pytest.mark.long

_PROCESSES = 5  # fronts, a template, two workers, and a spare where loading takes long

BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "syntax": (lambda project: save(project, "def main(context:\n"), r"code/judge\.py: line 1"),
    "missing code": (
        lambda project: (project / "code" / "judge.py").unlink(),
        r"flow\[0\]\.file: code/judge\.py does",
    ),
    "missing frame": (
        lambda project: (project / "proof" / "bad.png").unlink(),
        r"proof\[1\]\.frame: proof/bad\.png",
    ),
    "import": (lambda project: save(project, "import no_such_thing\n" + edition(2)), "no_such_thing"),
    "dies while it loads": (
        lambda project: save(project, "import os\nos._exit(3)\n" + edition(2)),
        "die while they load",
    ),
    "verdict": (
        lambda project: save(project, edition(2).replace("mark == 10", "True")),
        r"its proof fails:\nproof\[1\] \(proof/bad\.png\): is OK, expected NOK\nit is shown in /\S+\.html$",
    ),
    "label": (
        lambda project: save(project, edition(2).replace('"scratch"', '"dent"')),
        r"proof\[1\] \(proof/bad\.png\): found are dent, expected scratch\n",
    ),
    "expression": (
        lambda project: save(project, edition(2).replace("mark / 10", "mark / 100")),
        r"proof\[1\] \(proof/bad\.png\): gap\.value > 1\.5 does not hold\n",
    ),
    "raises": (
        lambda project: save(project, edition(2, "    1 / 0\n")),
        r"proof/good\.png\): the flow failed, expected OK: ZeroDivisionError: .*\n.*bad\.png\): the flow failed, ",
    ),
    "hangs": (
        lambda project: save(project, edition(2, "    while mark == 20:\n        pass\n")),
        r"proof\[1\] \(proof/bad\.png\): was not done within 1000 ms \(run_ms\): it was in code/judge\.py, line \d+",
    ),
    "hangs in C": (
        lambda project: save(project, edition(2, "    import ctypes\n    ctypes.PyDLL(None).sleep(1000)\n")),
        r"proof\[0\] \(proof/good\.png\): was not done within 1000 ms \(run_ms\): it was in code/judge\.py, line \d+",
    ),
    "hangs and hides it": (
        lambda project: save(
            project,
            edition(
                2, "    import faulthandler\n    faulthandler.cancel_dump_traceback_later()\n    while True: pass\n"
            ),
        ),
        r"proof\[0\] \(proof/good\.png\): the proof was not done within 4000 ms \(proof_ms\)\n",
    ),
    "eats memory": (
        lambda project: save(project, edition(2, "    kept = []\n    while True: kept.append(bytearray(1 << 28))\n")),
        r"proof\[0\] \(proof/good\.png\): the flow failed, expected OK: MemoryError \(code/judge\.py, line ",
    ),
    "ends its process": (
        lambda project: save(project, edition(2, "    if mark == 20: os._exit(9)\n")),
        r"proof\[1\] \(proof/bad\.png\): ended its process \(exit status 9\)\n",
    ),
    "kills its process": (
        lambda project: save(project, edition(2, "    os.kill(os.getpid(), 11)\n")),
        r"proof\[0\] \(proof/good\.png\): ended its process \(SIGSEGV\)\n",
    ),
    "ends its parent": (  # the fork is the supervisor's child, and may not harm it by what it can reach
        lambda project: save(project, edition(2, "    os.killpg(0, 9)\n")),
        r"proof\[0\] \(proof/good\.png\): ended its process \(SIGKILL\)\n",
    ),
}


@pytest.fixture(name="server", scope="module")
def proved_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = proved_project(tmp_path_factory.mktemp("live") / "p")
    env = {"FRAMEMILL_RUN_MS": "1000", "FRAMEMILL_PROOF_MS": "4000", "FRAMEMILL_WORKER_MEMORY_MIB": "300"}
    with serving(project, env=env) as running:
        until(lambda: any("the proof of version" in line for line in running.log))
        yield running


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_version_is_refused_and_the_answer_says_why(server: Server, kind: str) -> None:
    break_it, why = BROKEN[kind]
    version, template = server.status()["flowVersion"], template_of(server)
    break_it(server.project)
    try:
        answer = ask(server)
    finally:
        proved_project(server.project)
    assert (answer.status_code, answer.json()["code"]) == (409, "change_refused")
    detail = answer.json()["detail"]
    assert detail.startswith(f"version {version} goes on: ")
    assert re.search(why, detail), detail
    assert "the project was not reloaded, the one before goes on" in "".join(server.log)
    assert server.status()["flowVersion"] == version
    assert edition_of(server) == 1
    until(lambda: len(children_of(server.process.pid)) <= _PROCESSES)
    until(lambda: templates_of(server) == [template])


def test_what_fails_is_shown_beside_what_runs_in_a_page_for_the_servers_user_alone(server: Server) -> None:
    save(server.project, edition(2).replace("mark == 10", "True"))
    detail = ask(server).json()["detail"]
    page = Path(detail.rpartition("it is shown in ")[2])
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    assert stat.S_IMODE(page.parent.stat().st_mode) == 0o700
    html = page.read_text()
    assert html.count("data:image/jpeg;base64,") == 2
    assert "is OK, expected NOK" in html
    assert "NOK \u2192 OK" in html
    assert "http://" not in html
    for _ in range(11):
        ask(server)
    proved_project(server.project)
    assert len(list(page.parent.iterdir())) == 10
    assert not page.exists()


def test_a_frame_that_hangs_has_its_page_too_with_what_runs_beside_it(server: Server) -> None:
    save(server.project, edition(2, "    while mark == 20:\n        pass\n"))
    detail = ask(server).json()["detail"]
    proved_project(server.project)
    html = Path(detail.rpartition("it is shown in ")[2]).read_text()
    assert html.count("data:image/jpeg;base64,") == 1
    assert "was not done within 1000 ms" in html


@pytest.fixture(name="edited")
def put_back(server: Server) -> Iterator[Path]:
    """Its project, which runs as it was afterwards."""
    yield server.project
    proved_project(server.project)
    assert ask(server).status_code == 200


def test_a_mended_version_is_taken_over_and_one_that_is_accepted_too(server: Server, edited: Path) -> None:
    first = server.status()["flowVersion"]
    save(edited, edition(2))
    answer = ask(server)
    second = server.status()["flowVersion"]
    assert (answer.status_code, answer.json()) == (200, {"reload": "done", "flowVersion": second, "before": first})
    assert edition_of(server) == 2
    save(edited, edition(3).replace("mark == 10", "True"))
    assert ask(server).status_code == 409
    assert edition_of(server) == 2
    answer = ask(server, accept="1")
    assert answer.status_code == 200
    assert edition_of(server) == 3
    third = answer.json()["flowVersion"]
    until(lambda: any(f"version {third} is accepted by a client without a key, 127.0.0.1" in x for x in server.log))


def test_a_key_that_is_for_operators_accepts_nothing_and_who_accepts_is_named(tmp_path: Path) -> None:
    project = proved_project(tmp_path / "p", JUDGE)
    with serving(project, env={"FRAMEMILL_API_KEY": "the-key-of-the-line"}) as server:
        save(project, edition(2).replace("mark == 10", "True"))
        with server.client(**{"X-API-Key": "the-key-of-the-line"}) as client:
            answer = client.post("/api/v1/reload?wait_s=60&accept")
        assert answer.status_code == 200
        (line,) = until(lambda: [line for line in server.log if "is accepted by" in line])
        assert re.search(r"is accepted by [\w-]+, 127\.0\.0\.1", line), line
        with server.client() as client:
            assert client.post("/api/v1/rollback").status_code == 401


def test_a_version_that_cannot_be_forked_is_proved_in_a_process_that_loads_it(server: Server, edited: Path) -> None:
    thread = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    save(edited, thread + edition(2).replace("mark == 10", "True"))
    assert "is OK, expected NOK" in ask(server).json()["detail"]
    assert edition_of(server) == 1
    save(edited, thread + edition(2))
    assert ask(server).status_code == 200
    assert edition_of(server) == 2


def test_a_start_with_a_proof_that_fails_is_said_and_serves_all_the_same(tmp_path: Path) -> None:
    project = proved_project(tmp_path / "p", JUDGE.replace("mark == 10", "True"))
    with serving(project) as server:
        until(lambda: any("is not what it should be: its proof fails" in line for line in server.log))
        assert any("proof[1] (proof/bad.png): is OK, expected NOK" in line for line in until(lambda: server.log[-2:]))
        assert edition_of(server) == 1


def test_the_command_says_why_a_version_is_refused(server: Server, edited: Path) -> None:
    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-I", "-m", "service.cli", *arguments, "--url", server.url]
        return subprocess.run(line, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=100)

    save(edited, edition(2).replace("mark == 10", "True"))
    done = command("reload")
    assert done.returncode == 1
    assert "proof[1] (proof/bad.png): is OK, expected NOK" in done.stderr
    assert command("reload", "--accept").returncode == 0
    assert edition_of(server) == 2
    assert command("rollback").returncode == 0
    assert edition_of(server) == 1
    done = command("rollback")
    assert done.returncode == 1
    assert "there is no version before it to go back to" in done.stderr


def test_a_server_that_is_asked_to_stop_while_it_proves_ends_with_all_it_started(tmp_path: Path) -> None:
    project = proved_project(tmp_path / "p")
    with serving(project) as server:
        with under_load(server, 1):
            before = set(children_of(server.process.pid))
            save(project, edition(2, "    while True: pass\n"))
            with server.client() as client:
                assert client.post("/api/v1/reload").status_code == 202
            until(lambda: len(set(children_of(server.process.pid)) - before) >= 2)  # a template, and its fork
        started = children_of(server.process.pid)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(60) == 0
        until(lambda: all(is_gone(pid) for pid in started))


def test_a_reload_takes_the_place_of_one_that_is_being_proved(tmp_path: Path) -> None:
    project = proved_project(tmp_path / "p")
    with serving(project) as server:
        save(project, edition(2, "    while True: pass\n"))
        with server.client() as client:
            assert client.post("/api/v1/reload").status_code == 202
            until(lambda: client.get("/api/v1/status").json()["projectOnDisk"] == "differs")
        save(project, edition(3))
        assert ask(server).status_code == 200
        assert edition_of(server) == 3
        assert os.getpid() != server.process.pid
