"""Files that are put in the place of others: all of the old one or all of the new one, and never somewhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.safe_files import new_file, replacing


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "keys.toml"
    file.write_text("old")
    return file


def test_a_reader_sees_the_old_one_until_the_new_one_is_whole(file: Path) -> None:
    with replacing(file, 0o600) as fresh:
        fresh.write(b"n")
        fresh.flush()
        assert file.read_text() == "old"
        fresh.write(b"ew")
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


def write_half(file: Path) -> None:
    with replacing(file, 0o600) as fresh:
        fresh.write(b"half of it")
        raise OSError(28, "No space left on device")


def test_one_that_is_not_finished_leaves_the_old_one_and_nothing_beside_it(file: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        write_half(file)
    assert file.read_text() == "old"
    assert list(file.parent.iterdir()) == [file]


def test_what_a_killed_process_left_is_no_obstacle_and_no_link_is_followed(file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / f".keys.toml.{os.getpid()}").symlink_to(elsewhere)
    with replacing(file, 0o600) as fresh:
        fresh.write(b"new")
    assert (file.read_text(), elsewhere.read_text()) == ("new", "mine")
    assert sorted(tmp_path.iterdir()) == [elsewhere, file]


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_a_new_file_is_made_in_nobody_elses_place(tmp_path: Path, target: str) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / target)
    for name in ("elsewhere", "link"):
        with pytest.raises(FileExistsError):
            new_file(tmp_path / name, 0o600)
    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()
