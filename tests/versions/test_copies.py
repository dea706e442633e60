"""A version is a copy of what lay on disk at one moment, lies where there is room, and goes when nobody uses it."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import post, until
from tests.support.running import Server, serving
from tests.support.versions import kill_all_workers, next_edition, versioned
from workers.errors import NoRoomForVersion, ProjectInvalid
from workers.versions.copy import Manifest, version_of
from workers.versions.listing import list_project
from workers.versions.shelf import Shelf, places_for, remove


@pytest.fixture(name="shelf")
def one_place(tmp_path: Path) -> Iterator[Shelf]:
    yield Shelf([tmp_path / "copies"])
    remove(tmp_path / "copies")


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def project_in(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_what_is_no_part_of_a_version_is_left_out(tmp_path: Path, shelf: Shelf) -> None:
    files = {"framemill.toml": "", "code/c.py": "1", "references/a/b.png": "2", ".hidden": "3"}
    apart = [".framemill/process.json", "data/list.csv", "code/__pycache__/c.pyc", ".git/HEAD", "code/.svn/x", "my/s"]
    project = project_in(tmp_path / "p", {**files, **dict.fromkeys(apart, "x")})
    os.mkfifo(project / "pipe")
    (project / "dead").symlink_to("nowhere")
    version, _ = shelf.take(project, [project / "data", project / "my"])
    assert content(version.folder) == files
    assert version.id == version_of(project, [project / "data", project / "my"])
    assert {path.stat().st_mode & 0o777 for path in version.folder.rglob("*")} == {0o444, 0o555}


def test_links_count_as_what_they_lead_to_and_none_leads_out(
    tmp_path: Path, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    project_in(tmp_path / "other", {"lib/deep.py": "deep", "secret.png": "secret"})
    project = project_in(tmp_path / "p", {"code/c.py": "1", "references/a.png": "2"})
    (project / "code" / "same.py").symlink_to("c.py")
    (project / "again").symlink_to("references")
    (project / "code" / "lib").symlink_to(tmp_path / "other" / "lib")
    (project / "code" / "circle").symlink_to(project)
    (project / "references" / "secret.png").symlink_to(tmp_path / "other" / "secret.png")
    (project / "archive").symlink_to("/")
    version, _ = shelf.take(project, [])
    assert content(version.folder).keys() == {
        "code/c.py",
        "code/same.py",
        "code/lib/deep.py",
        "references/a.png",
        "again/a.png",
    }
    assert not any(path.is_symlink() for path in version.folder.rglob("*"))
    told = [record.getMessage() for record in caplog.records]
    assert any("archive, a link that leads out of the project" in said for said in told)
    assert any("references/secret.png, a link that leads out of the project" in said for said in told)


def test_the_hash_is_that_of_names_and_contents_alone(tmp_path: Path, shelf: Shelf) -> None:
    files = {"framemill.toml": "[server]", "code/c.py": "1"}
    one, two = project_in(tmp_path / "one", files), project_in(tmp_path / "two", files)
    os.utime(two / "code" / "c.py", (0, 0))
    ids = [shelf.take(folder, [])[0].id for folder in (one, two)]
    assert ids[0] == ids[1]
    for name, text in {"framemill.toml": "[server] ", "code/c.py": "2", "new": ""}.items():
        changed = project_in(tmp_path / f"other-{text}", {**files, name: text})
        assert version_of(changed, []) not in ids
    (two / "code" / "c.py").rename(two / "code" / "d.py")
    assert version_of(two, []) not in ids


def test_a_copy_made_while_files_change_is_one_moment_of_them(tmp_path: Path, shelf: Shelf) -> None:
    project = project_in(tmp_path / "p", {f"code/{name}.py": "0" * 100 for name in "abcd"})
    over = threading.Event()

    def edit() -> None:
        for number in itertools.count():
            if over.wait(0.001 if number % 20 else 0.15):  # a moment's rest, as people take it
                return
            for name in "abcd":
                (project / "code" / f"{name}.new").write_text(f"{number}" * 100)
                (project / "code" / f"{name}.new").replace(project / "code" / f"{name}.py")

    editor = threading.Thread(target=edit)
    editor.start()
    try:
        for _ in range(10):
            version, _ = shelf.take(project, [])
            found = content(version.folder)
            begun = [name for name in found if name.endswith(".new")]  # a busy machine may let the editor stand there
            texts = [found[f"code/{name}.py"] for name in "abcd"]
            numbers = [int(text[: len(text) // 100]) for text in texts]
            assert len(begun) <= 1
            assert len(found) == len(numbers) + len(begun)
            assert numbers == sorted(numbers, reverse=True)
            assert numbers[0] - numbers[-1] <= 1, "it is of two moments"
            manifest = Manifest.read(version.folder.parent)
            assert manifest.version == version.id == version_of(version.folder, [])
    finally:
        over.set()
        editor.join()


def test_a_project_that_never_keeps_still_is_refused_with_the_file_that_does_not(
    tmp_path: Path, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.versions.copy._SETTLED_NS", 10**9)  # on a busy machine the writer may pause for long
    monkeypatch.setattr("workers.versions.copy._PATIENCE_S", 1.0)
    project = project_in(tmp_path / "p", {"code/c.py": "1", "code/counter.txt": ""})
    over = threading.Event()

    def write() -> None:
        for number in itertools.count():
            (project / "code" / "counter.txt").write_text(str(number))
            if over.wait(0.002):
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(ProjectInvalid, match=r"code/counter.txt changes again and again while it is read"):
            shelf.take(project, [])
    finally:
        over.set()
        writer.join()
    assert list(shelf.places[0].iterdir()) == []


def test_a_project_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.versions.listing._MOST_FILES", 10)
    project = project_in(tmp_path / "p", {f"pictures/{number}.png": "" for number in range(11)})
    with pytest.raises(ProjectInvalid, match="more than 10 files, in pictures among others"):
        list_project(project, [])


def test_names_that_are_no_text_are_copied_too(tmp_path: Path, shelf: Shelf) -> None:
    project = project_in(tmp_path / "p", {"code/c.py": "1"})
    odd = os.fsencode(project) + b"/odd-\xff\n.csv"
    Path(os.fsdecode(odd)).write_text("x")
    version, _ = shelf.take(project, [])
    assert Path(os.fsdecode(os.fsencode(version.folder) + b"/odd-\xff\n.csv")).read_text() == "x"
    assert len(Manifest.read(version.folder.parent).files) == 2


def test_where_there_is_no_room_the_next_place_is_taken_and_where_there_is_none_it_says_so(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p", {"code/c.py": "1" * 100_000})
    (tmp_path / "file").touch()
    shelf = Shelf([tmp_path / "file" / "copies", Path("/proc/copies"), tmp_path / "room"])
    version, _ = shelf.take(project, [])
    assert version.folder.is_relative_to(tmp_path / "room")
    with pytest.raises(
        NoRoomForVersion, match=r"no room for a copy of the project: .*file/copies: Not a directory; /proc"
    ):
        Shelf(shelf.places[:2]).take(project, [])


def test_with_room_beside_the_project_alone_the_copy_lies_in_the_state_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_in(tmp_path / "p", {"code/c.py": "1"})
    monkeypatch.setattr("tempfile.tempdir", "/proc")
    monkeypatch.setattr("workers.versions.shelf._MEMORY", Path("/proc"))
    version, _ = Shelf(places_for(project, project / ".framemill")).take(project, [])
    assert version.folder.is_relative_to(project / ".framemill" / "versions")
    assert content(version.folder) == {"code/c.py": "1"}
    remove(version.folder.parent)


@pytest.fixture(name="small")
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "small", str(folder)], check=False).returncode:
        pytest.skip("only root can make a small file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_leaves_no_half_copies(tmp_path: Path, small: Path) -> None:
    project = project_in(tmp_path / "p", {f"code/{number}.txt": "1" * 10_000 for number in range(10)})
    shelf = Shelf([small / "copies", tmp_path / "room"])
    version, _ = shelf.take(project, [])
    assert version.folder.is_relative_to(tmp_path / "room")
    assert list((small / "copies").iterdir()) == []
    with pytest.raises(NoRoomForVersion, match="No space left on device"):
        Shelf([small / "copies"]).take(project, [])


def test_copies_that_nobody_holds_are_removed_and_no_others(tmp_path: Path, shelf: Shelf) -> None:
    project = project_in(tmp_path / "p", {"code/c.py": "1"})
    (one, lock), (two, other_lock) = shelf.take(project, []), shelf.take(project, [])
    os.close(lock)
    shelf.tidy()
    assert not one.folder.exists()
    assert content(two.folder) == {"code/c.py": "1"}
    os.close(other_lock)
    shelf.tidy()
    assert list(shelf.places[0].iterdir()) == []


def left_over(server: Server) -> list[Path]:
    """A server's copies outside of state folders."""
    above = (Path(tempfile.gettempdir()), Path("/dev/shm"))
    name = f"framemill-versions-{server.process.pid}-*"
    return [copy for folder in above for place in folder.glob(name) for copy in place.iterdir()]


def copies_in(state: Path) -> list[Path]:
    return list((state / "versions").iterdir()) if (state / "versions").exists() else []


@pytest.mark.long
def test_a_servers_copies_go_after_a_reload_at_its_end_and_if_it_is_killed_at_the_next_start(tmp_path: Path) -> None:
    state = tmp_path / "state"
    project = versioned(tmp_path / "p")
    with serving(project, "--state-dir", str(state)) as server:
        (first,) = copies_in(state)
        assert first.name.startswith(server.status()["flowVersion"])
        next_edition(project, 2)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.status()["reloads"] == 1)
        assert first in copies_in(state)  # the version before is kept, so that a rollback can have it
        next_edition(project, 3)
        server.process.send_signal(signal.SIGHUP)
        until(lambda: server.status()["reloads"] == 2)
        until(lambda: not first.exists())
        left = copies_in(state)
        assert len(left) == 2
        kill_all_workers(server)
        server.process.kill()
        server.process.wait()
    assert sorted(copies_in(state)) == sorted(left)
    with serving(project, "--state-dir", str(state)):
        (fresh,) = copies_in(state)
        assert fresh not in left
    assert copies_in(state) == []


@pytest.mark.long
def test_a_state_folder_that_cannot_be_made_is_no_obstacle(tmp_path: Path) -> None:
    project = versioned(tmp_path / "p")
    (project / ".framemill").touch()
    with serving(project) as server:
        assert left_over(server)
        next_edition(project, 2)
        kill_all_workers(server)
        assert post(server, "other").json()["limit"] == 1
    assert left_over(server) == []


# a server whose memory for copies has 64 KiB; what is mounted is seen by nobody else
LITTLE_MEMORY = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs -o size=64k none /dev/shm && exec "$@"', "sh")


@pytest.mark.long
def test_a_reload_without_room_is_refused_and_so_is_a_start(tmp_path: Path, small: Path) -> None:
    project = versioned(tmp_path / "p")
    environment = {"FRAMEMILL_STATE_DIR": str(small)}
    (project / "large.bin").write_bytes(bytes(10_000))
    with serving(project, env=environment, launcher=LITTLE_MEMORY) as server:
        version = server.status()["flowVersion"]
        (project / "large.bin").write_bytes(bytes(50_000))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: any("there is no room for a copy of the project" in said for said in server.log))
        assert post(server, "other").json()["flowVersion"] == version
        kill_all_workers(server)
        assert post(server, "other").json()["flowVersion"] == version
    with (
        pytest.raises(AssertionError, match="there is no room for a copy of the project"),
        serving(project, env=environment, launcher=LITTLE_MEMORY),
    ):
        pass
