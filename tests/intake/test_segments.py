"""A client's shared memory: which names are opened, whose, and what happens while its owner is at work on it."""

from __future__ import annotations

import ctypes
import os
import random
import select
import string
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.pictures import segment
from tests.support.running import Server, serving, write_project

pytestmark = pytest.mark.long

FOLDER = Path("/dev/shm")
URL = "/analyze_image_shared_memory"
SIZE = {"width": "64", "height": "48"}
BYTES = 64 * 48 * 3
OWN = f"psm_{os.getpid():08x}"

TWICE = """
import hashlib, time

def main(context):
    digest = lambda: hashlib.blake2b(context["image"].tobytes()).hexdigest()
    context["first"] = digest()
    time.sleep(float(context["data"] or 0))
    context["second"] = digest()
"""

REWRITE = "import sys; open(sys.argv[1], 'r+b', 0).write(bytes(range(256)) * 36)"

# the owner at work: truncates, grows, removes, makes anew and rewrites one segment until its input ends
OWNER = """
import os, random, select, sys
path, size = sys.argv[1], int(sys.argv[2])
turn = 0
print("at work", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    turn += 1
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(fd, size)
    for _ in range(20):
        os.pwrite(fd, bytes([turn % 256]) * size, 0)
    if turn % 4 == 0:
        os.ftruncate(fd, random.randrange(size))
    if turn % 4 == 1:
        os.ftruncate(fd, 10 * size)
    if turn % 8 == 2:
        os.unlink(path)
    os.close(fd)
"""


@contextmanager
def planted(name: str, content: bytes, mode: int = 0o600) -> Iterator[Path]:
    path = FOLDER / name
    path.write_bytes(content)
    path.chmod(mode)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def opened_in_the_folder() -> Iterator[set[str]]:
    """Collect the names of what any process opens in /dev/shm, by inotify(7); filled in at the end of the block."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    assert libc.inotify_add_watch(fd, bytes(FOLDER), 0x20) >= 0  # IN_OPEN
    names: set[str] = set()
    try:
        yield names
        while select.select([fd], [], [], 0)[0]:
            events = os.read(fd, 1 << 20)
            at = 0
            while at < len(events):
                _, _, _, length = struct.unpack_from("<iIII", events, at)
                names.add(events[at + 16 : at + 16 + length].rstrip(b"\0").decode())
                at += 16 + length
    finally:
        os.close(fd)


def names(count: int) -> list[str]:
    """Names that no client makes: chosen ones, and mutations of a good one."""
    chosen = [
        "",
        ".",
        "..",
        "/",
        "//",
        "//psm_0123abcd",
        "psm_",
        "psm_0123abcd/",
        "psm_0123abcd/../psm_0123abcd",
        "PSM_0",
    ]
    chosen += ["sem.0123abcd", "psm_0123ABCD", "psm_0123abc\0", "\0", "psm_0123abcd\0", "psm_0123abcd\n", "x" * 4096]
    chosen += [
        "../etc/passwd",
        "/etc/passwd",
        "../../dev/zero",
        "psm_٠١٢٣٤٥٦٧",
        "psm_0123abcd ",
        " psm_0123abcd",
        "wnsm_0123abcd",
    ]
    chance = random.Random(1)
    alphabet = string.printable + "\0äß\u202e"
    while len(chosen) < count:
        name = list(OWN)
        for _ in range(chance.randint(1, 3)):
            name[chance.randrange(len(name))] = chance.choice(alphabet.replace("".join(name), ""))
        changed = "".join(name)
        if not (changed.startswith("psm_") and len(changed) == 12 and set(changed[4:]) <= set("0123456789abcdef")):
            chosen.append(changed)
    return chosen


def test_no_name_but_a_clients_is_opened(client: httpx.Client) -> None:
    with (
        planted("sem.0123abcd", bytes(BYTES)),
        planted("another_program", bytes(BYTES)),
        planted("psm_0123ABCD", bytes(BYTES)),
        opened_in_the_folder() as opened,
    ):
        for name in [*names(1000), "another_program", "/another_program"]:
            answer = client.post(URL, params={"name": name, **SIZE})
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter"), name
        client.post(URL, params={"name": "psm_ffffffff", **SIZE})
        assert client.post(URL, params={"name": "psm_0123abcd", **SIZE}).status_code == 404
    assert not opened & {"sem.0123abcd", "another_program", "psm_0123ABCD"}


def test_a_good_name_is_seen_to_be_opened(client: httpx.Client) -> None:
    with planted(OWN, bytes(BYTES)), opened_in_the_folder() as opened:
        for name in (OWN, f"/{OWN}"):
            assert client.post(URL, params={"name": name, **SIZE}).status_code == 200
    assert OWN in opened


@pytest.mark.parametrize("kind", ["of another user", "unreadable", "absent"])
def test_what_may_not_be_read_and_what_is_not_there_get_the_same_answer(client: httpx.Client, kind: str) -> None:
    with planted(OWN, bytes(BYTES), 0o600) as path:
        if kind == "of another user":
            if os.geteuid() != 0:
                pytest.skip("only root can give a segment to another user")
            os.chown(path, 65533, 65533)
        elif kind == "unreadable":
            path.chmod(0)
        else:
            path.unlink()
        answer = client.post(URL, params={"name": path.name, **SIZE})
        assert answer.status_code == 404
        assert answer.json()["detail"] == "there is no such segment"
        if kind != "absent":
            path.chmod(0o644)  # its owner lets everybody read it
            assert client.post(URL, params={"name": path.name, **SIZE}).status_code == 200


@pytest.fixture(scope="module")
def hashing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    toml = '[[flow]]\nmodule = "code"\nfile = "code/twice.py"\n'
    with serving(write_project(tmp_path_factory.mktemp("hashing"), toml, twice=TWICE)) as server:
        yield server


def race(server: Server, requests: int) -> dict[int, int]:
    """Ask for a segment that its owner tears at all the time; returns how often each status came."""
    path = FOLDER / OWN
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path), str(BYTES)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert owner.stdin is not None
    assert owner.stdout is not None
    told: dict[int, int] = {}
    try:
        assert owner.stdout.readline()
        with server.client() as client:
            for _ in range(requests):
                answer = client.post(URL, params={"name": path.name, **SIZE, "pixel_format": "BGR8"})
                told[answer.status_code] = told.get(answer.status_code, 0) + 1
                context = answer.json()
                if answer.status_code == 200:
                    assert context["first"] == context["second"], "the frame changed while it was inspected"
                else:
                    assert context["code"] in {"segment_invalid", "segment_not_found"}
    finally:
        owner.stdin.close()
        owner.stdout.close()
        assert owner.wait() == 0
        path.unlink(missing_ok=True)
    return told


def raced_well(server: Server, requests: int) -> None:
    deaths = server.status()["workers"]["deaths"]
    told = race(server, requests)
    print(told)
    assert set(told) == {200, 400, 404}
    assert sum(told.values()) == requests
    status = server.status()
    assert status["workers"]["deaths"] == deaths
    assert status["slots"]["free_here"] >= status["slots"]["per_front"]


def test_an_owner_that_tears_at_its_segment_harms_nobody(hashing: Server) -> None:
    raced_well(hashing, 1000)


@pytest.mark.soak
def test_an_owner_that_tears_at_its_segment_harms_nobody_in_100_000_requests(hashing: Server) -> None:
    raced_well(hashing, 100_000)


def test_a_frame_stays_as_it_was_copied_while_its_owner_writes_on(hashing: Server) -> None:
    with planted(OWN, bytes(BYTES)) as path, hashing.client() as client, path.open("r+b", 0) as own:
        query = {"name": path.name, **SIZE, "data": "0.02"}
        digests = set()
        for turn in range(20):
            own.seek(0)
            own.write(bytes([turn]) * BYTES)
            with subprocess.Popen([sys.executable, "-W", "ignore", "-c", REWRITE, str(path)]) as writer:
                context = client.post(URL, params=query).json()
                assert context["first"] == context["second"]
                digests.add(context["first"])
                assert writer.wait() == 0
        assert len(digests) > 1


def test_a_segment_is_still_its_owners_after_the_server_has_gone(client: httpx.Client, tmp_path: Path) -> None:
    content = bytes(range(256)) * 36
    with segment(content) as name:
        query = {"name": name, **SIZE}
        with serving(write_project(tmp_path / "p")) as passing, passing.client() as its_client:
            assert its_client.post(URL, params=query).status_code == 200
        assert (FOLDER / name).read_bytes()[: len(content)] == content
        assert client.post(URL, params=query).status_code == 200


def test_a_sparse_segment_is_black_and_a_huge_one_too_large(client: httpx.Client) -> None:
    with planted(OWN, b"") as path:
        os.truncate(path, BYTES)
        context = client.post(URL, params={"name": path.name, **SIZE}).json()
        assert context["seen"]["sum"] == 0
        os.truncate(path, 1 << 40)
        query = {"name": path.name, "width": "65535", "height": "65535", "pixel_format": "BGR8"}
        assert client.post(URL, params=query).status_code == 413
        assert path.stat().st_blocks == 0
