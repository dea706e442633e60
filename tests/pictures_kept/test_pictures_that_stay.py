"""Which pictures go last: those of frames that somebody has decided about, or that the project has in its proof."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import orjson
import pytest
from sqlalchemy import insert, select

from service.decisions.deciding import By, Said, decide
from service.decisions.rules import Kind
from service.history.pictures.folder import PictureFolder, file_of, pictures_in
from service.history.pictures.proofs import Proofs, create_proof_page, write_proofs
from service.history.pictures.room import Gone, Room
from service.history.places.place import sqlite_in
from service.history.schema.tables import PICTURES
from service.history.writing.store import Store
from service.results.record import Head, Record, about_bytes, with_request
from tests.history.kept import NOW_NS, SECOND_NS, rows
from tests.pictures_kept.pictured import RECORD, folder_of, settled, told
from tests.results.served import project_in
from tests.support.faults import until
from tests.support.running import Server, command, serving

_DAY_NS = 86_400 * SECOND_NS


def _record(number: int, *, verdict: bool = False, held: str = "") -> Record:
    about = with_request(about_bytes("c", "top", "", ""), "r", None, held)
    packed = Head(NOW_NS + number * SECOND_NS, number, 200, verdict).pack(about, b"", orjson.dumps({"result": verdict}))
    return Record.unpack(packed, 0, number)


class Kept:
    """A history with pictures of 10 bytes, one of each kind, and the page that says what the proof has."""

    def __init__(self, state_dir: Path) -> None:
        self.records = {
            "ok in the proof": _record(1, verdict=True),
            "decided": _record(2),
            "nok": _record(3),
            "nok in the proof": _record(4),
            "held": _record(5, held="scratches"),
            "ok": _record(6, verdict=True),
        }
        self.page_fd = create_proof_page()
        self.folder = PictureFolder(pictures_in(state_dir))
        self.store = Store.begin(sqlite_in(state_dir), "mark", NOW_NS)
        self.store.write([*self.records.values()], None)
        self.path = sqlite_in(state_dir)
        self.folder.make()
        with self.store.transaction() as connection:
            for number, record in enumerate(self.records.values(), 1):
                file = file_of(record.id, record.head.came_ns, "png")
                self.folder.write(file, bytes(10))
                connection.execute(insert(PICTURES), {"record": number, "why": "all", "file": file, "bytes": 10})
            decide(connection, self.records["decided"].id, Said(Kind.CONFIRMED, 0), By("anna", NOW_NS))
        self.room = Room(self.folder, self.store.own, Proofs(self.page_fd))

    def has_proof(self, names: Sequence[str]) -> None:
        """Have the project's proof have the frames of these names, among other files."""
        files = [Path("/p/proof") / f"{self.records[name].id}.png" for name in names]
        write_proofs(self.page_fd, [Path("/p/proof/good.png"), *files, Path("/p/proof/zz.png")])

    @property
    def names(self) -> list[str]:
        """What is there still: a row that names a file, and the file."""
        with self.store.transaction() as connection:
            files = set(connection.scalars(select(PICTURES.c.file).where(PICTURES.c.file.is_not(None))))
        assert files == {f"{one.parent.name}/{one.name}" for one in self.folder.path.rglob("*.png")}
        known = {f"{record.id}.png": name for name, record in self.records.items()}
        return [known[file.partition("/")[2]] for file in sorted(files)]

    def make(self, pictures: int) -> int:
        """Make room of so many pictures; returns how many went."""
        with self.store.transaction() as connection:
            return self.room.make(connection, pictures * 10, 100).pictures


@pytest.fixture(name="kept")
def a_history_with_pictures(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path)
    yield made
    made.store.close()
    os.close(made.page_fd)


def test_those_of_the_proof_go_last_with_the_decided_ones(kept: Kept) -> None:
    kept.has_proof(["ok in the proof", "nok in the proof"])
    went = []
    while before := kept.names:
        assert kept.make(1) == 1
        went += [name for name in before if name not in kept.names]
    assert went == ["held", "ok", "nok", "ok in the proof", "decided", "nok in the proof"]
    lost = rows(kept.path, "SELECT DISTINCT lost FROM pictures")
    assert lost == [("it made room for others",)]


def test_they_grow_as_old_as_their_frames(kept: Kept) -> None:
    kept.has_proof(["nok in the proof"])
    with kept.store.transaction() as connection:
        gone = kept.room.end_old(connection, 1, NOW_NS + 3 * _DAY_NS, 100)
    assert gone == Gone(4, 40)
    assert kept.names == ["decided", "nok in the proof"]


def test_another_proof_counts_from_then_on(kept: Kept) -> None:
    kept.has_proof(["ok in the proof"])
    assert kept.make(3) == 3
    assert kept.names == ["ok in the proof", "decided", "nok in the proof"]
    kept.has_proof(["nok in the proof"])
    kept.room.look_anew()  # as every ten minutes
    assert kept.make(1) == 1
    assert kept.names == ["decided", "nok in the proof"]


def test_what_is_just_being_written_does_not_count(kept: Kept) -> None:
    proofs = Proofs(kept.page_fd)
    kept.has_proof(["nok", "ok"])
    expected = tuple(kept.records[name].head.came_ns for name in ("nok", "ok"))
    assert proofs.read() == expected
    os.pwrite(kept.page_fd, b"\x01", 12)
    assert proofs.read() == expected
    os.pwrite(kept.page_fd, (1 << 31).to_bytes(4, "little"), 4)
    assert proofs.read() == expected
    write_proofs(kept.page_fd, [])
    assert proofs.read() == ()
    assert Proofs(None).read() == ()


def test_a_proof_of_all_that_it_may_have_is_known(kept: Kept) -> None:
    many = [Path(f"/p/proof/{NOW_NS + number:016x}01.png") for number in range(5000)]
    write_proofs(kept.page_fd, many)
    assert Proofs(kept.page_fd).read() == tuple(NOW_NS + number for number in range(4000))
    assert kept.make(4) == 4  # which a statement can say


def _send(server: Server, noise: bytes) -> str:
    with server.client() as client:
        answer = client.post("/analyze_raw_image", params={"width": "300", "height": "300"}, content=noise)
    frame_id: str = answer.raise_for_status().json()["id"]
    assert settled(server, frame_id)
    return frame_id


@pytest.mark.long
def test_a_proof_that_a_reload_brings_has_its_pictures_kept(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    noise = np.random.default_rng(2).integers(0, 255, (300, 300), np.uint8).tobytes()
    options = (*RECORD, "--pictures", "all", "--pictures-mib", "1", "--pictures-format", "png")
    with serving(project, *options) as server:
        first, second = _send(server, noise), _send(server, noise)  # 90 kB each
        (project / "proof").mkdir()
        (file,) = folder_of(server).rglob(f"{first}.png")
        shutil.copy(file, project / "proof")
        with (project / "framemill.toml").open("a") as toml:
            toml.write(f'\n[[proof]]\nframe = "proof/{first}.png"\nresult = true\n')
        assert command("reload", "--url", server.url).returncode == 0
        for _ in range(25):
            _send(server, noise)
        until(lambda: told(server)["made_room"] > 10 and told(server)["bytes"] <= 1 << 20)
        kept = {path.stem for path in folder_of(server).rglob("*.png")}
        assert (first in kept, second in kept) == (True, False)
    assert rows(sqlite_in(project / ".framemill"), "SELECT count(*) FROM decisions") == [(0,)]
