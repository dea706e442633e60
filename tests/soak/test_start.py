"""A start that cannot work ends within 3 s, with an exit status that is not zero and a message that names the cause."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.soak.kit.report import report
from tests.support.running import CHECKOUT, start_command, write_project

pytestmark = pytest.mark.soak

TIME_S = 3.0
_GIVE_UP_S = 15.0
_STEP = '[[flow]]\nmodule = "code"\nfile = "code/step.py"\n'
_FINE = "def main(context):\n    pass\n"
_HUGE = {"FRAMEMILL_SLOTS": "200", "FRAMEMILL_MAX_FRAME_MIB": "1024", "FRAMEMILL_MAX_REPLY_MIB": "1024"}


@dataclass(frozen=True, slots=True)
class Start:
    """A start that is broken in one way; `names` is what its message has to hold. {tmp} is a folder of the test's."""

    names: str
    toml: str = _STEP
    code: str = _FINE
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[int, int] = field(default_factory=dict)


BROKEN = {
    "toml": Start("framemill.toml", toml="[[flow\n"),
    "unknown table": Start("flwo", toml='[[flwo]]\nmodule = "code"\n'),
    "unknown module": Start("no_such_module", toml='[[flow]]\nmodule = "no_such_module"\n'),
    "unknown option": Start("fiel", toml='[[flow]]\nmodule = "code"\nfiel = "code/step.py"\n'),
    "no code file": Start("code/other.py", toml='[[flow]]\nmodule = "code"\nfile = "code/other.py"\n'),
    "code with a syntax error": Start("step.py", code="def main(context:\n"),
    "code that raises": Start("no model today", code=_FINE + 'raise RuntimeError("no model today")\n'),
    "code that imports what is not there": Start("no_such_library", code="import no_such_library\n" + _FINE),
    "code without main": Start("main", code="def mian(context):\n    pass\n"),
    "code that kills its process": Start("die while they load", code=_FINE + "import os\nos.kill(os.getpid(), 9)\n"),
    "code that leaves": Start("while they load", code=_FINE + "import os\nos._exit(0)\n"),
    "unknown setting": Start("wrokers", toml=f"[server]\nwrokers = 2\n{_STEP}"),
    "a setting of another type": Start("workers", toml=f'[server]\nworkers = "many"\n{_STEP}'),
    "a setting out of range": Start("deadline_ms", toml=f"[server]\ndeadline_ms = 1\n{_STEP}"),
    "unknown variable": Start("FRAMEMILL_WROKERS", env={"FRAMEMILL_WROKERS": "2"}),
    "a variable out of range": Start("FRAMEMILL_SLOTS", env={"FRAMEMILL_SLOTS": "-1"}),
    "no workers": Start("--workers", arguments=("--workers", "0")),
    "a port that is none": Start("--port", arguments=("--port", "99999")),
    "a taken port": Start("{taken}", arguments=("--port", "{taken}")),
    "an address that is not ours": Start("192.0.2.1", arguments=("--host", "192.0.2.1")),
    "a host name that is none": Start("no such host", arguments=("--host", "no such host")),
    "too little memory": Start("MiB", env=_HUGE),
    "no key file": Start("api_key_file", env={"FRAMEMILL_API_KEY_FILE": "{tmp}/none"}),
    "an empty key file": Start("api_key_file", env={"FRAMEMILL_API_KEY_FILE": "{tmp}/empty"}),
    "a key file that is no text": Start("api_key_file", env={"FRAMEMILL_API_KEY_FILE": "{tmp}/binary"}),
    "a state folder that is a file": Start("state_dir", env={"FRAMEMILL_STATE_DIR": "{tmp}/binary"}),
    "a state folder that cannot be written": Start("state_dir", env={"FRAMEMILL_STATE_DIR": "/proc/framemill"}),
    "no certificate": Start("certfile", env={"FRAMEMILL_CERTFILE": "{tmp}/none", "FRAMEMILL_KEYFILE": "{tmp}/none"}),
    "a certificate that is none": Start(
        "certfile", env={"FRAMEMILL_CERTFILE": "{tmp}/binary", "FRAMEMILL_KEYFILE": "{tmp}/binary"}
    ),
    "too few descriptors": Start("descriptors", limits={resource.RLIMIT_NOFILE: 24}),
    "too little address space": Start("memory", limits={resource.RLIMIT_AS: 700 << 20}),
}


def _limit(limits: Mapping[int, int]) -> Callable[[], None]:
    def limit() -> None:
        for what, most in limits.items():
            resource.setrlimit(what, (most, most))

    return limit


def _start(broken: Start, project: Path, words: Mapping[str, str]) -> tuple[int, str]:
    """Start it; returns its exit status and what it said. One that does start is stopped, and has status 0."""
    process = subprocess.Popen(
        [*start_command(project), *(word.format(**words) for word in broken.arguments)],
        cwd=CHECKOUT,
        env={**os.environ, **{name: value.format(**words) for name, value in broken.env.items()}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_limit(broken.limits),  # noqa: PLW1509 - this process has no other thread at that moment
    )
    try:
        said = process.communicate(timeout=_GIVE_UP_S)[1]
    except subprocess.TimeoutExpired:
        process.terminate()
        said = process.communicate()[1]
    return process.returncode, said.strip()


@pytest.mark.parametrize("name", BROKEN)
def test_a_start_that_cannot_work_says_why_within_three_seconds(tmp_path: Path, name: str) -> None:
    broken = BROKEN[name]
    project = write_project(tmp_path / "p", broken.toml, step=broken.code)
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00" * 9)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        words = {"tmp": str(tmp_path), "taken": str(taken.getsockname()[1])}
        begun_s = time.monotonic()
        status, said = _start(broken, project, words)
        took_s = time.monotonic() - begun_s
    cause = broken.names.format(**words)
    checks = {
        "it ended with status 0": status == 0,
        f"it does not name {cause!r}": cause not in said,
        "a traceback is no message": "Traceback" in said,
        f"it took {took_s:.1f} s": took_s > TIME_S,
    }
    found = [what for what, is_so in checks.items() if is_so]
    report(f"start: {name}", {"status": status, "took_s": round(took_s, 2), "said": said.splitlines()[-1:]}, found)
    assert not found, "\n".join([*found, said[-1500:]])
