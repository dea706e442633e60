"""The folder of pictures: files whole or not at all, others left alone, no link followed; what frames are kept as."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from service.history.pictures.folder import PictureFolder, day_of, file_of, oldest_name
from workers.memory.slot import State
from workers.pictures.kept import KeptForm
from workers.pool.job import Encoding, Job
from workers.pool.staying import Staying

NAME = "2026-11-28/18ec461ee0073d3d0d.jpg"
_DAY_NS = 86_400_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> PictureFolder:
    return PictureFolder(tmp_path / "pictures")


def test_a_file_is_whole_private_and_found_again(folder: PictureFolder) -> None:
    folder.write(NAME, b"a picture")
    assert folder.read(NAME) == b"a picture"
    assert folder.size_bytes(NAME) == 9
    assert stat.S_IMODE((folder.path / NAME).stat().st_mode) == 0o600
    assert [path.name for path in folder.path.rglob("*") if path.is_file()] == [Path(NAME).name]
    folder.remove(NAME)
    folder.remove(NAME)
    assert folder.read(NAME) is None


def test_what_cannot_be_written_leaves_nothing(folder: PictureFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write(NAME, b"before")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(OSError, match="No space"):
        folder.write(NAME, b"after")
    assert folder.read(NAME) == b"before"
    assert len([path for path in folder.path.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "2026-11-28/../../secret",
        "/etc/passwd",
        "2026-11-28/x.jpg",
        "",
        f"{NAME}\n",
    ],
)
def test_other_names_are_neither_read_nor_removed(folder: PictureFolder, name: str) -> None:
    folder.write(NAME, b"a picture")
    secret = folder.path.parent / "secret"
    secret.write_bytes(b"secret")
    assert folder.read(name) is None
    folder.remove(name)
    assert secret.exists()


def test_no_link_is_followed(folder: PictureFolder, tmp_path: Path) -> None:
    folder.write(NAME, b"a picture")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / Path(NAME).name).write_bytes(b"secret")
    (folder.path / "2026-01-01").symlink_to(elsewhere)
    link = f"2026-01-01/{Path(NAME).name}"
    assert folder.read(link) is None
    with pytest.raises(OSError, match="directory"):
        folder.write(link, b"x")
    (folder.path / NAME).unlink()
    (folder.path / NAME).symlink_to(elsewhere / Path(NAME).name)
    with pytest.raises(OSError, match="symbolic"):
        folder.read(NAME)
    assert [*folder.tidy()] == []
    assert (elsewhere / Path(NAME).name).read_bytes() == b"secret"


def test_what_a_crash_has_left_half_goes_and_others_stay(folder: PictureFolder) -> None:
    folder.write(NAME, b"a picture")
    day = folder.path / "2026-11-28"
    half, fresh = day / ".18ec461ee0073d3d0e.jpg.17", day / ".18ec461ee0073d3d0f.jpg.17"
    for path in (half, fresh, day / "mine.jpg", folder.path / "notes.txt"):
        path.touch()
    os.utime(half, (0, 0))
    (folder.path / "2026-01-01").mkdir()
    assert [one.file for one in folder.tidy()] == [NAME]
    assert not half.exists()
    assert fresh.exists()
    assert (day / "mine.jpg").exists()
    assert (folder.path / "notes.txt").exists()
    assert not (folder.path / "2026-01-01").exists()


def test_names_are_in_the_order_of_time() -> None:
    times_ns = [_DAY_NS - 1, _DAY_NS, 2 * _DAY_NS + 7, (1 << 62) + 1]
    names = [file_of(f"{ns:016x}05", ns, "jpg") for ns in times_ns]
    assert names == sorted(names)
    assert all(oldest_name(ns) < name for ns, name in zip(times_ns, names, strict=True))
    assert all(oldest_name(ns + 1) > name for ns, name in zip(times_ns, names, strict=True))
    assert day_of((1 << 64) - 1) >= "2554"


def test_what_does_not_fit_what_was_said_is_kept_as_its_bytes() -> None:
    form = KeptForm("jpeg", 90)
    for job, frame in (
        (Job(width=4, height=4, pixel_format="Mono8"), bytes(15)),
        (Job(width=4, height=4, pixel_format="NoSuch"), bytes(16)),
        (Job(encoding=Encoding.ENCODED), b"no image"),
        (Job(encoding=Encoding.ENCODED), b""),
    ):
        kept = form.of(job, frame)
        assert (kept.content, kept.ending, kept.media_type) == (frame, "bin", "application/octet-stream")
    damaged = form.of(Job(encoding=Encoding.ENCODED), b"\xff\xd8\xff damaged")
    assert (damaged.content, damaged.media_type, damaged.width_px) == (b"\xff\xd8\xff damaged", "image/jpeg", None)


class _Header:
    """A slot's header, as far as staying goes."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.words = [0] * 64
        self.state = State.DONE


def test_some_places_are_left_to_frames_that_shall_not_be_missed() -> None:
    headers = [_Header(index) for index in range(8)]
    staying = Staying(headers, 4, lambda *_: False, [])  # type: ignore[arg-type]

    def claims(index: int, *, is_urgent: bool) -> bool:
        return staying.claim(headers[index], 1, 1, is_urgent=is_urgent)  # type: ignore[arg-type]

    assert [claims(index, is_urgent=False) for index in range(4)] == [True, True, True, False]
    assert claims(4, is_urgent=True)
    assert not claims(5, is_urgent=True)
