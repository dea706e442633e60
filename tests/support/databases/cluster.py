"""A real PostgreSQL for tests: a cluster of its own in a temporary folder, never as root, on a socket alone."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tests.support.children import is_missing
from tests.support.faults import until

USER = "framemill"
PASSWORD = "s3cret/@:%~\N{LATIN SMALL LETTER Z WITH CARON}"
_OWNER = "postgres"
_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "fsync": "off",  # a kill loses nothing for that, and a loss of power is not what tests can make
    "log_min_messages": "fatal",
}


class Cluster:
    """A cluster in `folder`; `start` it first. Its databases are made by `database`."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._numbers = itertools.count()
        self._process: subprocess.Popen[bytes] | None = None

    def make(self) -> None:
        """Make the cluster; its one user needs a password."""
        (self.folder / "password").write_text(PASSWORD)
        self._as_owner("initdb", "-D", self.folder / "data", "-U", USER, "--pwfile", self.folder / "password", *_INITDB)

    def start(self) -> None:
        """Start it, and wait until it lets somebody in."""
        self._launch()
        until(self._answers)

    def stop(self) -> None:
        """Ask it to end at once."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait()

    def kill(self) -> None:
        """Kill it as the kernel does where memory runs out."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def freeze(self) -> None:
        """Stop it and all that serve somebody: they hear, and say nothing."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal_all(signal.SIGCONT)

    def database(self) -> str:
        """Make an empty database; returns its URL."""
        name = f"db{next(self._numbers)}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self.url(name)

    def url(self, database: str, password: str = PASSWORD) -> str:
        """The URL of a database."""
        return f"postgresql://{USER}:{quote(password, safe='')}@/{database}?host={quote(str(self.folder), safe='')}"

    def _launch(self) -> None:
        settings = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
        words = [self._programs / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([*_as_owner(), *map(str, words)], cwd=self.folder, stderr=log, stdout=log)

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:  # those of one that was killed still have its memory
            self._launch()
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process is not None
        main = self._process.pid
        children = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        for pid in [main, *map(int, children)]:
            os.kill(pid, number)

    def _as_owner(self, program: str, *arguments: object) -> None:
        words = [*_as_owner(), str(self._programs / program), *map(str, arguments)]
        done = subprocess.run(words, cwd=self.folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


_INITDB = ("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync")


def _as_owner() -> list[str]:
    """What a command begins with: initdb and postgres refuse to be root, and end with this process."""
    if os.geteuid():
        return ["setpriv", "--pdeathsig", "INT"]
    return ["setpriv", "--reuid", _OWNER, "--regid", _OWNER, "--clear-groups", "--pdeathsig", "INT"]


def _programs() -> Path:
    """Where Debian has the programs of the newest PostgreSQL; without one the test is skipped, in CI it fails."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if not found or shutil.which("setpriv") is None:
        is_missing("PostgreSQL")
    return found[-1]


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """A cluster of its own until the end of the block."""
    programs = _programs()
    # a test's own folder can be entered by its user alone, and a socket's path is short
    folder = Path(tempfile.mkdtemp(prefix="fm-pg-", dir="/tmp"))
    try:
        if not os.geteuid():
            owner = pwd.getpwnam(_OWNER)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        cluster = Cluster(folder, programs)
        cluster.make()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.thaw()
            cluster.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(name="cluster", scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """A cluster that all tests of a session share; none of them ends it."""
    with running_cluster() as cluster:
        yield cluster
