"""What a server refuses to start with is one clear line, and `framemill check` finds the same without starting one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.settings import Settings
from tests.support.faults import is_gone, until
from tests.support.running import write_project

pytestmark = pytest.mark.long

COMMAND = [sys.executable, "-I", "-m", "service.cli"]
FLOW = '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n'
FINE = "def main(context):\n    pass\n"
ENDS = "import os, subprocess\nsubprocess.Popen(['sleep', '60'])\n"


def framemill(*arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run a command; returns its exit status and its standard error."""
    done = subprocess.run(
        [*COMMAND, *(os.fsencode(a) if isinstance(a, Path) else str(a) for a in arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        check=False,
        timeout=60,
    )
    said = done.stderr.decode()
    assert "Traceback" not in said
    return done.returncode, said


@dataclass(frozen=True, slots=True)
class Refused:
    """A project, options and environment that no server starts with, and what the one line about it holds."""

    says: str
    code: str = FINE
    toml: str = ""
    options: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    status: int = 3


REFUSED = {
    "main is no function": Refused("code/c.py has no function main", code="main = 5\n"),
    "main has odd parameters": Refused("main(a, b) is not known", code="def main(a, b): pass\n"),
    "main is imported and odd": Refused("is not known", code="from shutil import copyfile as main\n"),
    "an import that does not resolve": Refused("No module named 'no_such'", code=f"import no_such\n{FINE}"),
    "a name that does not resolve": Refused("cannot import name 'no_such'", code=f"from json import no_such\n{FINE}"),
    "an import in a file beside": Refused("No module named 'no_such'", code=f"import beside\n{FINE}"),
    "an exception": Refused("ZeroDivisionError", code=f"1 / 0\n{FINE}"),
    "an end": Refused("die while they load", code=f"{ENDS}os._exit(9)\n{FINE}"),
    "a crash": Refused("die while they load", code=f"{ENDS}os.kill(os.getpid(), 11)\n{FINE}"),
    "no end": Refused("within 800 ms", code=f"import time\ntime.sleep(60)\n{FINE}", options=("--boot-ms", "800")),
    "code that is not allowed": Refused("code modules", options=("--disable-code",)),
    "a setting": Refused("[server] deadline_ms", toml="[server]\ndeadline_ms = 1\n"),
    "slots": Refused("FRAMEMILL_SLOTS: Input should be a valid integer", env={"FRAMEMILL_SLOTS": "many"}),
    "max_frame_mib": Refused("--max-frame-mib: Input should be greater", options=("--max-frame-mib", "0")),
    "workers": Refused("[server] workers: Input should be a valid integer", toml='[server]\nworkers = "x"\n'),
    "no certificate": Refused("certfile", options=("--certfile", "/nowhere", "--keyfile", "/nowhere")),
    "an encrypted key": Refused("is encrypted", options=("--certfile", "{tls}/pem", "--keyfile", "{tls}/encrypted")),
    "an encrypted key in one file": Refused("is encrypted", options=("--certfile", "{tls}/both")),
    "a key of another": Refused("not what TLS needs", options=("--certfile", "{tls}/pem", "--keyfile", "{tls}/other")),
    "no key file": Refused("api_key_file", env={"FRAMEMILL_API_KEY_FILE": "/nowhere"}),
    "no file of keys": Refused("keys_file", options=("--keys-file", "/nowhere")),
    "a path that is not UTF-8": Refused("--state-dir: the path is not UTF-8\n", options=("--state-dir", "/tmp/\udcff")),
    "a folder that cannot be": Refused("state_dir", options=("--state-dir", "/proc/none")),
    "a host that is none": Refused("cannot listen on a..b", options=("--host", "a..b"), status=4),
    "a host that is too long": Refused("cannot listen on", options=("--host", "a" * 70 + ".b"), status=4),
    "another's address": Refused("192.0.2.1", options=("--host", "192.0.2.1"), status=4),
    "too much memory": Refused("frame memory needs", options=("--slots", "200", "--max-frame-mib", "1024"), status=4),
}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    for key, out in (("encrypted", "pem"), ("other", "unused")):
        lock = ("-passout", "pass:secret") if key == "encrypted" else ("-nodes",)
        names = ("-keyout", str(folder / key), "-out", str(folder / out), "-subj", "/CN=localhost")
        subprocess.run(["openssl", "req", "-x509", *curve, *names, *lock], check=True, capture_output=True)
    (folder / "both").write_bytes((folder / "pem").read_bytes() + (folder / "encrypted").read_bytes())
    return folder


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("command", ["check", pytest.param("serve", marks=pytest.mark.long)])
def test_what_is_refused_is_named(tmp_path: Path, tls: Path, command: str, name: str) -> None:
    refused = REFUSED[name]
    project = write_project(tmp_path / "p", FLOW + refused.toml, c=refused.code, beside="import no_such\n")
    options = [option.format(tls=tls) for option in refused.options]
    status, said = framemill(command, project, "--port", "0", *options, env=refused.env)
    assert status == (refused.status if command == "serve" else 3), said
    assert refused.says in said
    assert "Undefined" not in said


def test_check_never_imports_code_in_its_own_process_and_none_where_that_is_not_allowed(tmp_path: Path) -> None:
    code = f"import os\nopen(os.environ['SEEN'], 'a').write(f'{{os.getppid()}} {{os.getpid()}}\\n')\n{FINE}"
    project = write_project(tmp_path / "p", FLOW, c=code)
    seen = tmp_path / "seen"
    process = subprocess.Popen([*COMMAND, "check", str(project)], env={**os.environ, "SEEN": str(seen)})
    assert process.wait(60) == 0
    parent, child = map(int, seen.read_text().split())
    assert (parent, child != process.pid) == (process.pid, True)
    seen.unlink()
    assert framemill("check", project, "--disable-code", env={"SEEN": str(seen)})[0] == 3
    assert framemill("check", project, "--port", "-1", env={"SEEN": str(seen)})[0] == 3
    assert not seen.exists()


def test_what_code_starts_while_it_is_checked_ends_with_it(tmp_path: Path) -> None:
    code = f"import os, subprocess\npid = subprocess.Popen(['sleep', '61']).pid\nprint(pid)\n{FINE}"
    code += "open(os.environ['SEEN'], 'w').write(str(pid))\n"
    project = write_project(tmp_path / "p", FLOW, c=code)
    assert framemill("check", project, env={"SEEN": str(tmp_path / "seen")}) == (0, "")
    started = int((tmp_path / "seen").read_text())
    until(lambda: is_gone(started))


def test_a_port_in_use_is_no_mistake_of_a_project(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert framemill("check", write_project(tmp_path / "p"), "--port", taken.getsockname()[1]) == (0, "")


@pytest.mark.parametrize("command", ["check", "serve", "replay", "bench"])
def test_a_project_whose_path_is_not_utf8_is_one_clear_line(tmp_path: Path, command: str) -> None:
    project = write_project(tmp_path / "p").rename(tmp_path / os.fsdecode(b"p\xff"))
    more = (tmp_path / "p.png",) if command in {"replay", "bench"} else ()
    status, said = framemill(command, project, *more)
    assert (status, said.count("\n")) == (3, 1)
    assert "the path of a project is UTF-8" in said
    inside = write_project(project / "inside")
    assert framemill(command, inside.name, *more, cwd=project)[0] == 3


@pytest.mark.parametrize("command", ["check", "serve", "send", "keys", "process"])
def test_a_working_folder_that_is_gone_is_one_clear_line(tmp_path: Path, command: str) -> None:
    (tmp_path / "gone").mkdir()
    run = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    done = subprocess.run(
        ["bash", "-c", run, "bash", str(tmp_path / "gone"), *COMMAND, command, "."],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == "framemill: there is no working folder any more (No such file or directory); change to one\n"


def test_every_setting_is_an_option_of_serve_and_of_check() -> None:
    for command in ("serve", "check"):
        done = subprocess.run([*COMMAND, command, "--help"], capture_output=True, text=True, check=True)
        for name in Settings.model_fields:
            assert f"--{name.replace('_', '-')}" in done.stdout
        assert "whoever may list processes sees it" in " ".join(done.stdout.split())


def test_options_win_over_the_environment_and_are_checked_as_settings(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", "[server]\ndeadline_ms = 1\nlenient = true\nformats = []\n")
    env = {"FRAMEMILL_DEADLINE_MS": "2", "FRAMEMILL_QUEUE_MS": "-1"}
    options = ("--deadline-ms", "3", "--no-lenient", "--formats", "jpeg,gif", "--keepalive-s", "long")
    status, said = framemill("check", project, *options, env=env)
    assert status == 3
    starts = {line.partition(":")[0] for line in said.splitlines()}
    assert starts == {"--deadline-ms", "--formats, 2", "--keepalive-s", "FRAMEMILL_QUEUE_MS"}
    assert framemill("check", write_project(tmp_path / "q"), "--deadline-ms", "500", "--formats", "jpeg, bmp") == (
        0,
        "",
    )
