"""A mapped file may be truncated while it is copied: the copy is refused, and the process lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.intake.mapped_window import Window
from tests.support.running import CHECKOUT

LENGTH = 4 << 20
PAGE = 4096

ELSEWHERE = """
import mmap, os, sys
from service.intake.mapped_window import Window
if sys.argv[1] == "told":
    import faulthandler
    faulthandler.enable()
fd = os.memfd_create("file")
os.write(fd, bytes(8192))
window, other = Window(fd, 8192), mmap.mmap(fd, 8192)
os.ftruncate(fd, 0)
assert not window.copy_to(memoryview(bytearray(8192)))
print("the window is survived", flush=True)
other[0]
"""


@pytest.fixture
def file() -> Iterator[int]:
    fd = os.memfd_create("segment")
    os.write(fd, b"\1" * LENGTH)
    yield fd
    os.close(fd)


def area(length: int = LENGTH) -> memoryview:
    return memoryview(bytearray(length))


def test_a_window_shows_what_its_owner_writes(file: int) -> None:
    window, copy = Window(file, LENGTH), area()
    for value in (b"\1", b"\2", b"\3"):
        os.pwrite(file, value * LENGTH, 0)
        assert window.copy_to(copy)
        assert copy == value * LENGTH
    part = area(100)
    assert window.copy_to(part)
    assert part == b"\3" * 100


def test_what_is_not_there_is_refused_now_and_ever_after(file: int) -> None:
    window, copy = Window(file, LENGTH), area()
    assert window.copy_to(copy)
    os.ftruncate(file, LENGTH // 2)
    assert not window.copy_to(copy)
    assert bytes(copy[-PAGE:]) == bytes(PAGE)
    os.ftruncate(file, LENGTH)
    os.pwrite(file, b"\1" * LENGTH, 0)
    assert not window.copy_to(copy)
    assert Window(file, LENGTH).copy_to(copy)
    assert copy == b"\1" * LENGTH


def test_a_file_that_is_shorter_has_no_window(file: int) -> None:
    with pytest.raises(OSError, match="greater than file size"):
        Window(file, LENGTH + 1)


def test_no_more_is_copied_than_the_window_has(file: int) -> None:
    with pytest.raises(ValueError, match="the window has 4194304"):
        Window(file, LENGTH).copy_to(area(LENGTH + 1))


def test_an_owner_that_tears_at_its_file_in_the_midst_of_copies(file: int) -> None:
    """Several threads copy at once: whoever is told that all was there has all of it."""
    done = threading.Event()
    torn: list[int] = []
    half: list[int] = []

    def copy_on() -> None:
        copy = area()
        while not done.is_set():
            try:
                window = Window(file, LENGTH)
            except OSError:
                continue
            while window.copy_to(copy):
                if bytes(copy[: LENGTH // 2]).strip(b"\1"):
                    half.append(1)
            torn.append(1)

    threads = [threading.Thread(target=copy_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    turn = 0
    while len(torn) < 100:
        turn += 1
        os.ftruncate(file, LENGTH // 2 + turn * 64 * PAGE % (LENGTH // 2))
        os.ftruncate(file, LENGTH)
    done.set()
    os.ftruncate(file, 0)
    for thread in threads:
        thread.join()
    assert not half


@pytest.mark.parametrize("how", ["told", "untold"])
def test_another_bus_error_ends_the_process_as_ever(how: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, how], capture_output=True, text=True, timeout=60, cwd=CHECKOUT, check=False
    )
    assert done.stdout == "the window is survived\n"
    assert done.returncode == -signal.SIGBUS
    assert ("Fatal Python error: Bus error" in done.stderr) is (how == "told")


def test_a_window_that_nobody_has_is_unmapped(tmp_path: Path) -> None:
    path = tmp_path / "segment"
    path.write_bytes(bytes(LENGTH))
    with path.open("rb") as file:
        window = Window(file.fileno(), LENGTH)
    maps = Path("/proc/self/maps")
    assert str(path) in maps.read_text()
    del window
    assert str(path) not in maps.read_text()
