"""The command line as its users meet it: right use, wrong use, exit statuses, and messages that say what to do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from service.cli.command_line import main
from tests.support.pictures import decoded, png
from tests.support.running import CHECKOUT, Server, serving, start_command, write_project


def framemill(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        cwd=CHECKOUT,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize(
    "command",
    [
        "serve",
        "check",
        "process",
        "reload",
        "rollback",
        "send",
        "bench",
        "new",
        "run",
        "watch",
        "schema",
        "compare",
        "prove",
        "calibrate",
    ],
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = CliRunner().invoke(main, [command, "--help"], prog_name="framemill")
    assert done.exit_code == 0
    assert f"framemill {command}" in done.stdout
    assert "Example:" in done.stdout


def test_check_says_that_there_is_no_mistake(tmp_path: Path) -> None:
    done = framemill("check", str(write_project(tmp_path / "good")))
    assert (done.returncode, done.stdout.strip()) == (0, "good: no mistakes")


def test_check_names_every_mistake_of_project_and_settings_at_once(tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "bad",
        '[[flow]]\nmodule = "code"\nfile = "code/missing.py"\n'
        '[[flow]]\nmodule = "cod"\n[server]\nport = 70000\nprot = 1\n',
    )
    done = framemill("check", str(project))
    assert done.returncode == 3
    for words in ("flow[0].file", "flow[1].module", "code/missing.py"):
        assert words in done.stderr


def test_check_and_serve_name_wrong_settings_with_where_they_came_from(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", "[server]\nworkers = 0\nprot = 1\n")
    env = {"FRAMEMILL_DEADLINE_MS": "soon", "FRAMEMILL_TYPO": "1", "FRAMEMILL_FORMATS": "png,gif"}
    for done in (
        framemill("check", str(project), env=env),
        framemill("serve", str(project), "--port", "99999", env=env),
    ):
        assert done.returncode == 3
        assert "[server] workers" in done.stderr
        assert "[server] prot: there is no such setting" in done.stderr
        assert "FRAMEMILL_DEADLINE_MS" in done.stderr
        assert "FRAMEMILL_FORMATS" in done.stderr
        assert "FRAMEMILL_TYPO: there is no such setting" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.long
def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", "[server]\nworkers = 3\nfronts = 1\n")
    with serving(project, "--workers", "1", env={"FRAMEMILL_WORKERS": "2"}) as server:
        assert server.status()["workers"]["wanted"] == 1
    command = [*start_command(project)]
    assert "--workers" not in command


def test_a_project_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    done = framemill("serve", str(tmp_path / "nothing"))
    assert done.returncode == 3
    assert "framemill.toml" in done.stderr


def test_a_port_that_is_taken_is_a_clear_error(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = framemill("serve", str(write_project(tmp_path / "p")), "--port", port)
    assert done.returncode == 4
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr


def test_too_little_memory_is_a_clear_error(tmp_path: Path) -> None:
    env = {"FRAMEMILL_MAX_FRAME_MIB": "1024", "FRAMEMILL_MAX_REPLY_MIB": "1024", "FRAMEMILL_SLOTS": "200"}
    done = framemill("serve", str(write_project(tmp_path / "p")), "--port", "0", env=env)
    assert done.returncode == 4
    assert "max_frame_mib" in done.stderr


@pytest.mark.parametrize("code", ["import no_such_library\ndef main(context): pass", "1/0\ndef main(context): pass"])
def test_code_that_cannot_be_loaded_ends_the_start_with_its_line(tmp_path: Path, code: str) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=code)
    done = framemill("serve", str(project), "--port", "0")
    assert done.returncode == 3
    assert "code/c.py" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("end", ["os._exit(9)", "os.kill(os.getpid(), 11)"])
def test_code_that_ends_its_worker_while_it_is_loaded_ends_the_start(tmp_path: Path, end: str) -> None:
    code = f"import os\n{end}\ndef main(context): pass\n"
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=code)
    done = framemill("serve", str(project), "--port", "0")
    assert done.returncode == 3
    assert "workers die while they load the project" in done.stderr


def _send(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    return framemill("send", *arguments, env={"FRAMEMILL_URL": server.url})


JUDGE = (
    "def main(context):\n    context['result'] = bool(context['image'][0, 0, 0] < 128)\n    context['score'] = 0.25\n"
)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    toml = '[[flow]]\nmodule = "code"\nfile = "code/judge.py"\n'
    return write_project(tmp_path_factory.mktemp("judge"), toml, judge=JUDGE)


@pytest.mark.long
def test_send_prints_verdicts_saves_pictures_and_ends_with_a_status_to_script_with(
    tmp_path: Path, judge: Path, scene: NDArray[np.uint8]
) -> None:
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(png(scene))
    bad.write_bytes(png(255 - scene))
    (tmp_path / "broken.png").write_bytes(png(scene)[:200])
    with serving(judge) as server:
        done = _send(server, str(good))
        assert (done.returncode, done.stdout) == (0, f"OK     {good}  score 0.25\n")
        done = _send(server, str(good), str(bad), "--save", str(tmp_path / "saved"), "--picture", "image")
        assert done.returncode == 6
        assert done.stdout.splitlines() == [f"OK     {good}  score 0.25", f"NOK    {bad}  score 0.25"]
        assert "2 frames: 1 OK, 1 NOK" in done.stderr
        np.testing.assert_array_equal(decoded((tmp_path / "saved" / "bad.png").read_bytes()), 255 - scene)
        done = _send(server, str(tmp_path))
        assert done.returncode == 1
        assert "truncated" in done.stdout
        done = _send(server, str(good), "--json")
        assert json.loads(done.stdout)["context"]["score"] == 0.25
        off = framemill("process", "off", "--url", server.url)
        assert (off.returncode, off.stdout) == (0, "off\n")
        assert framemill("process", "status", "--url", server.url).stdout == "off\n"
        assert _send(server, str(good)).stdout.startswith("OFF")
        assert framemill("process", "on", "--url", server.url).stdout == "on\n"
        done = framemill("reload", "--url", server.url)
        version = server.status()["flowVersion"]
        assert (done.returncode, done.stdout) == (0, f"reloaded: version {version} runs, before it was {version}\n")


@pytest.mark.long
def test_many_files_without_a_terminal_make_no_bar(tmp_path: Path, judge: Path, scene: NDArray[np.uint8]) -> None:
    for number in range(25):
        (tmp_path / f"{number:02}.png").write_bytes(png(scene))
    with serving(judge) as server:
        done = _send(server, str(tmp_path))
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 25
    assert done.stderr == "25 frames: 25 OK\n"


@pytest.mark.parametrize("command", [["send", "LICENSE"], ["process", "status"], ["reload"], ["rollback"]])
def test_a_server_that_is_not_there_is_a_clear_error(command: list[str]) -> None:
    done = framemill(*command, "--url", "http://127.0.0.1:9")
    assert done.returncode == 4
    assert "framemill serve" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_a_clear_error() -> None:
    done = framemill("send", "no-such-picture.png")
    assert done.returncode == 1
    assert "no-such-picture.png does not exist" in done.stderr


def test_send_says_what_it_passed_over_in_a_folder(server: Server, tmp_path: Path, scene: NDArray[np.uint8]) -> None:
    folder = tmp_path / "parts"
    (folder / "more").mkdir(parents=True)
    (folder / "part.PNG").write_bytes(png(scene))
    (folder / ".hidden.png").write_bytes(png(scene))
    for number in range(7):
        (folder / f"note {number}.txt").touch()
    (folder / "gone.png").symlink_to("nowhere")
    (folder / os.fsdecode(b"part\xff.png")).write_bytes(png(scene))
    done = _send(server, str(folder), "--json", "--data", "č")
    assert done.returncode == 1
    sent = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(entry["file"]).name for entry in sent] == ["gone.png", "part.PNG", "part\\udcff.png"]
    assert [entry["verdict"] for entry in sent] == ["ERROR", "OK", "OK"]
    assert "No such file" in sent[0]["error"]
    said = done.stderr.splitlines()
    assert said[0] == "3 frames: 2 OK, 1 ERROR"
    assert set(said[1:]) == {
        "passed over, hidden: .hidden.png",
        "passed over, a folder: more",
        "passed over, no image by its name: " + ", ".join(f"note {n}.txt" for n in range(5)) + " and 2 more",
    }


def test_data_that_is_not_utf8_is_sent_as_it_is(server: Server, tmp_path: Path, scene: NDArray[np.uint8]) -> None:
    (tmp_path / "part.png").write_bytes(png(scene))
    done = _send(server, str(tmp_path / "part.png"), "--data", "\udcff")
    assert done.stdout.startswith(("ERROR", "OK"))  # which the server decides
    assert "Traceback" not in done.stderr


def test_send_to_something_else_than_a_server_is_a_clear_error(tmp_path: Path, scene: NDArray[np.uint8]) -> None:
    (tmp_path / "part.png").write_bytes(png(scene))
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"http://127.0.0.1:{other.getsockname()[1]}"
        for arguments in (("send", str(tmp_path / "part.png")), ("process", "status"), ("reload",)):
            answering = threading.Thread(target=_answer_once, args=(other,))
            answering.start()
            done = framemill(*arguments, env={"FRAMEMILL_URL": url})
            answering.join()
            assert (done.returncode, done.stderr) == (4, f"framemill: what answers at {url} is no Framemill server\n")


def _answer_once(other: socket.socket) -> None:
    client, _ = other.accept()
    with client:
        client.recv(65_536)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        client.shutdown(socket.SHUT_WR)
        while client.recv(65_536):
            pass
