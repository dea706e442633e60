"""Nobody but the server gets at the frame memory: no other user, no other process of the same user."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import children_of
from tests.support.running import Server, serving, write_project

OTHER_UID = 65533

# root looks into everything by capabilities: server and onlooker do without them, and are then like any user's
WITHOUT_PTRACE = """
import ctypes, os, sys
for capability in (19, 21, 38):  # CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_PERFMON
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP; fails where there is none to drop
os.execv(sys.argv[1], sys.argv[1:])
"""
LAUNCHER = (sys.executable, "-c", WITHOUT_PTRACE)

WAYS = {"a descriptor", "pidfd_getfd", "memory", "environment", "map"}
# prints which of the ways into each process are open
ONLOOKER = """
import ctypes, json, os, sys

libc = ctypes.CDLL(None)
uid, pids = int(sys.argv[1]), [int(pid) for pid in sys.argv[2:]]
if uid >= 0:
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)

def opens(step):
    try:
        return step() > 0
    except OSError:
        return False

def ways(pid):
    pidfd = os.pidfd_open(pid)
    return {
        "a descriptor": any([opens(lambda: os.open(f"/proc/{pid}/fd/{fd}", os.O_RDWR)) for fd in range(40)]),
        "pidfd_getfd": any([libc.syscall(438, pidfd, fd, 0) >= 0 for fd in range(40)]),
        "memory": opens(lambda: os.open(f"/proc/{pid}/mem", os.O_RDWR)),
        "environment": opens(lambda: len(open(f"/proc/{pid}/environ").read())),
        "map": opens(lambda: len(open(f"/proc/{pid}/maps").read())),
    }
print(json.dumps({pid: ways(pid) for pid in pids}))
"""


def open_ways(pids: list[int], uid: int) -> dict[str, set[str]]:
    """Which ways into each process are open for a process of user `uid`; -1 for our own."""
    command = [*LAUNCHER, sys.executable, "-c", ONLOOKER, str(uid), *map(str, pids)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return {pid: {way for way, is_open in ways.items() if is_open} for pid, ways in json.loads(done.stdout).items()}


def family(pid: int) -> list[int]:
    return [pid, *(other for child in children_of(pid) for other in family(child))]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(write_project(tmp_path_factory.mktemp("p")), launcher=LAUNCHER) as running:
        yield running


def test_no_process_without_privileges_gets_into_one_of_the_server_not_even_of_the_same_user(server: Server) -> None:
    pids = family(server.process.pid)
    assert len(pids) >= 5, "supervisor, gunicorn's master, a front, two workers"
    for uid in (-1, OTHER_UID) if os.geteuid() == 0 else (-1,):
        assert open_ways(pids, uid) == {str(pid): set() for pid in pids}, uid


def test_not_even_root_can_shrink_grow_or_unseal_the_frame_memory_of_a_running_server(server: Server) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can open it at all")
    for pid in family(server.process.pid):
        links = [fd for fd in Path(f"/proc/{pid}/fd").iterdir() if "memfd:framemill " in str(fd.readlink())]
        with links[0].open("r+b") as memory:
            seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
            assert fcntl.fcntl(memory, fcntl.F_GET_SEALS) == seals
            for size_bytes in (0, 1 << 40):
                with pytest.raises(PermissionError):
                    os.truncate(memory.fileno(), size_bytes)
            with pytest.raises(PermissionError):
                fcntl.fcntl(memory, fcntl.F_ADD_SEALS, 0)


def test_the_same_ways_into_another_process_of_the_user_are_open() -> None:
    command = [*LAUNCHER, sys.executable, "-c", "print('here', flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline()
            [ways] = open_ways([other.pid], -1).values()
            assert ways == WAYS
        finally:
            other.kill()


def test_a_worker_that_takes_anothers_place_is_as_private(server: Server) -> None:
    before = set(family(server.process.pid))
    with server.client() as client:
        assert client.post("/analyze_raw_image?width=16&height=16", content=bytes(256)).status_code == 200
        client.post("/api/v1/reload")
        while client.get("/api/v1/status").json()["reloads"] == 0:
            pass
    fresh = [pid for pid in family(server.process.pid) if pid not in before]
    assert fresh
    assert open_ways(fresh, -1) == {str(pid): set() for pid in fresh}
