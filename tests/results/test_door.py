"""Who comes in where followers do: only who says its name; nobody keeps others out, and nothing is left behind."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from service.results.door import SOCKET_NAME, Door, short_path
from service.results.files import ResultsFiles
from service.results.follow import CannotFollow, Follower, Start
from tests.results.house import House, house, parts
from tests.support.faults import until
from tests.support.running import CHECKOUT


def _knock(folder: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with short_path(folder) as here:
        link.connect(str(here / SOCKET_NAME))
    link.settimeout(60)
    return link


@pytest.mark.parametrize(
    "hello",
    [
        b"rubbish",
        b"[]",
        b"{}",
        b'{"version":2,"name":"x"}',
        b'{"version":1,"name":""}',
        b'{"version":1,"name":5}',
        b'{"version":1,"name":"' + b"x" * 65 + b'"}',
        b"\xff" * 4000,
    ],
)
def test_who_does_not_say_its_name_has_no_seat(server: House, hello: bytes) -> None:
    with _knock(server.folder) as link:
        link.send(hello)
        assert "another version" in orjson.loads(link.recv(4096))["error"]
        assert link.recv(1) == b""
    assert not server.seen()


def test_who_knocks_and_says_nothing_keeps_nobody_out(server: House) -> None:
    silent = [_knock(server.folder) for _ in range(40)]
    with server.follow() as follower:
        server.answer("all the same")
        assert parts(follower) == ["all the same"]
    assert silent[0].recv(1) == b""
    for link in silent:
        link.close()


def test_a_folder_of_a_long_name_will_do_and_the_socket_is_for_one_user(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    with house(folder) as server, server.follow() as follower:
        assert (folder / SOCKET_NAME).stat().st_mode & 0o777 == 0o600
        server.answer("far away")
        assert parts(follower) == ["far away"]
    assert not (folder / SOCKET_NAME).exists()


def test_the_door_of_the_next_server_takes_the_place_of_this_one(tmp_path: Path) -> None:
    with house(tmp_path) as before:
        old = before.follow()
        with house(tmp_path) as after:
            before.answer("old")
            after.answer("new")
            assert parts(old) == ["old"]
            assert not old.is_over
            with after.follow(start=Start.OLDEST) as new:
                assert parts(new) == ["new"]
            before.end()
            before.end = lambda: None  # type: ignore[method-assign]
            until(lambda: old.wait(1) or old.is_over)
            old.close()
            with after.follow(start=Start.OLDEST) as new:  # its socket is still there
                assert parts(new) == ["new"]


def test_where_no_server_is_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(CannotFollow, match="no server answers"):
        Follower.of(tmp_path, "test")
    (tmp_path / SOCKET_NAME).touch()
    with pytest.raises(CannotFollow, match="no server answers"):
        Follower.of(tmp_path, "test")
    with pytest.raises(CannotFollow, match="no server answers"):
        Follower.of(tmp_path / "nothing", "test")


def test_a_folder_that_cannot_be_written_to_costs_the_door_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with house(tmp_path / "nothing") as server:
        server.answer("nobody follows")
    assert "nobody can follow results" in caplog.text


FOLLOWS = """
import socket, sys
sys.path.insert(0, sys.argv[2])
from service.results.follow import Follower, Start
from service.results.seats import Wants
with Follower(socket.socket(fileno=int(sys.argv[1])), "program", Start.OLDEST) as follower:
    follower.want_pictures(Wants.OK)
    while not follower.is_over:
        for record in follower.read():
            print(record.about["part"], flush=True)
        follower.wait(1)
"""


def _program(server: House) -> subprocess.Popen[str]:
    fd = server.door.for_program("program")
    command = [sys.executable, "-c", FOLLOWS, str(fd), str(CHECKOUT)]
    return subprocess.Popen(command, pass_fds=[fd], stdout=subprocess.PIPE, text=True)


def test_a_program_of_ours_inherits_its_way_in_and_its_death_is_noticed(server: House) -> None:
    server.answer("first")
    before = _open_fds()
    for _ in range(3):
        server.door.for_program("program")  # one that ended before it came in
        with _program(server) as program:
            assert program.stdout is not None
            assert program.stdout.readline() == "first\n"
            assert server.seen()["program"].is_there
            program.kill()
        until(lambda: not server.seen()["program"].is_there)
    until(lambda: _open_fds() <= before + 1)
    with _program(server) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "first\n"
        server.end()
        server.end = lambda: None  # type: ignore[method-assign]
        assert program.wait(60) == 0


def _open_fds() -> int:
    return len([*Path("/proc/self/fd").iterdir()])


def test_doors_leave_no_descriptors(tmp_path: Path) -> None:
    with house(tmp_path) as server:
        with server.follow():
            pass
        until(lambda: not server.seen()["test"].is_there)
        before = _open_fds()
        for _ in range(20):
            with server.follow():
                pass
            with pytest.raises(CannotFollow):
                Follower(_knock(tmp_path), "x" * 65, Start.NOW)
        until(lambda: _open_fds() <= before + 1)


def test_one_that_opens_before_it_attends_is_a_fault_of_ours(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        Door(ResultsFiles.create(1, 1), tmp_path).open()
