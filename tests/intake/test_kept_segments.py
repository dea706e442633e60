"""Segments that come again are mapped, and let go when their owner is done with them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.intake.mapped_window import Window
from service.intake.segment_cache import KeptSegments
from tests.support.faults import children_of, fronts_master, until
from tests.support.running import Server

NAME = "psm_0000abcd"
LENGTH = 1 << 16
OWN = Path("/dev/shm") / f"psm_{os.getpid():08x}"
URL = "/analyze_image_shared_memory"
WIDTH_PX, HEIGHT_PX = 1920, 1024
BYTES = WIDTH_PX * HEIGHT_PX * 3

# writes its segment, leaves it alone for a moment or two, and truncates it, until its input ends
OWNER = """
import os, random, select, sys
fd, size = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT, 0o600), int(sys.argv[2])
print("at work", flush=True)
while True:
    os.pwrite(fd, bytes([random.randrange(1, 256)]) * size, 0)
    if select.select([sys.stdin], [], [], random.random() / 50)[0]:
        break
    os.ftruncate(fd, random.randrange(size))
"""


class Folder:
    """A folder of segments, and what a front keeps of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_PATH)
        self.kept = KeptSegments(lambda: self._fd)

    def write(self, name: str = NAME, length: int = LENGTH) -> None:
        (self.path / f"new {name}").write_bytes(bytes(length))
        (self.path / f"new {name}").rename(self.path / name)

    def find(self, name: str = NAME) -> Window | None:
        with (self.path / name).open("rb") as file:
            return self.kept.find(name, file.fileno(), os.fstat(file.fileno()))

    def mapped(self) -> int:
        return Path("/proc/self/maps").read_text().count(str(self.path))


@pytest.fixture
def folder() -> Iterator[Folder]:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as path:
        made = Folder(Path(path))
        made.write()
        yield made


def test_a_segment_is_mapped_when_it_comes_again(folder: Folder) -> None:
    assert folder.find() is None
    assert folder.mapped() == 0
    window = folder.find()
    assert isinstance(window, Window)
    assert folder.find() is window
    assert folder.mapped() == 1


@pytest.mark.parametrize("length", [LENGTH, LENGTH // 2])
def test_another_segment_of_the_same_name_begins_anew(folder: Folder, length: int) -> None:
    folder.find()
    old = folder.find()
    folder.write(length=length)
    assert folder.find() is None
    assert folder.find() not in {None, old}


def test_one_that_grew_begins_anew(folder: Folder) -> None:
    folder.find()
    assert folder.find()
    with (folder.path / NAME).open("ab") as file:
        file.write(bytes(LENGTH))
    assert folder.find() is None
    window = folder.find()
    assert window is not None
    assert window.copy_to(memoryview(bytearray(2 * LENGTH)))


def test_one_with_holes_is_never_mapped(folder: Folder) -> None:
    (folder.path / NAME).unlink()
    (folder.path / NAME).touch()
    os.truncate(folder.path / NAME, LENGTH)
    assert [folder.find() for _ in range(4)] == [None] * 4
    assert folder.mapped() == 0


def test_what_was_dropped_begins_anew(folder: Folder) -> None:
    folder.find()
    assert folder.find()
    folder.kept.drop(NAME)
    assert folder.mapped() == 0
    assert folder.find() is None


def test_of_many_segments_the_last_64_are_kept(folder: Folder) -> None:
    names = [f"psm_{number:08x}" for number in range(65)]
    for name in names:
        folder.write(name)
        folder.find(name)
        folder.find(name)
    assert folder.mapped() == 64
    assert folder.find(names[1])
    assert folder.find(names[0]) is None


@pytest.mark.long
def test_a_removed_segment_is_let_go(folder: Folder) -> None:
    folder.find()
    folder.find()
    (folder.path / NAME).unlink()
    until(lambda: folder.mapped() == 0)
    folder.write()
    assert folder.find() is None
    assert folder.find()
    (folder.path / NAME).unlink()
    until(lambda: folder.mapped() == 0)  # by another thread: the first one had nothing more to do


def test_a_segment_that_is_not_used_is_let_go(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.intake.segment_cache._UNUSED_S", 0.0)
    folder.find()
    folder.find()
    until(lambda: folder.mapped() == 0)


def ask(client: httpx.Client, name: str) -> httpx.Response:
    size = {"width": str(WIDTH_PX), "height": str(HEIGHT_PX), "pixel_format": "BGR8"}
    return client.post(URL, params={"name": name, **size})


def mapped_by_fronts(server: Server, path: Path) -> int:
    fronts = children_of(fronts_master(server))
    return sum(Path(f"/proc/{pid}/maps").read_text().count(str(path)) for pid in fronts)


def test_every_frame_in_a_segment_is_the_one_of_now(server: Server) -> None:
    OWN.write_bytes(bytes(BYTES))
    try:
        with server.client() as client, OWN.open("r+b", 0) as segment:
            for value in range(1, 20):
                segment.seek(0)
                segment.write(bytes([value]) * BYTES)
                assert ask(client, OWN.name).json()["seen"]["sum"] == value * BYTES
        assert mapped_by_fronts(server, OWN) == 1
    finally:
        OWN.unlink()
    until(lambda: not mapped_by_fronts(server, OWN))


def test_an_owner_that_truncates_a_mapped_segment_harms_nobody(server: Server) -> None:
    before = children_of(fronts_master(server))
    arguments = [sys.executable, "-c", OWNER, str(OWN), str(BYTES)]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdin is not None
        assert owner.stdout is not None
        try:
            assert owner.stdout.readline()
            told = [ask_on(server) for _ in range(2)]
        finally:
            owner.stdin.close()
    OWN.unlink()
    assert children_of(fronts_master(server)) == before
    for statuses in told:
        assert statuses[200] > 60
        assert statuses[400] > 60


def ask_on(server: Server) -> dict[int, int]:
    """Two cameras ask for the same segment until both answers came often."""
    told = {200: 0, 400: 0}

    def camera() -> None:
        with server.client() as client:
            while min(told.values()) <= 60:
                answer = ask(client, OWN.name)
                assert answer.status_code in told, answer.text
                told[answer.status_code] += 1

    threads = [threading.Thread(target=camera) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return told
