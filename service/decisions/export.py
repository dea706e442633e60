"""What people decided, as folders that other commands read: with `truth.json`, or with a proof for a project.

::

    FOLDER/good/ID.png   parts that are OK, whatever the machine said: to teach with
           bad/ID.jpg    those that are NOK
           truth.json    {"good/ID.png": {"result": true}, "bad/ID.jpg": {"result": false, "label": "scratch"}},
                         and beside `result` what a client said with the frame: data, camera, view

    FOLDER/ID.png        frames of a proof
           proof.toml    tables [[proof]], to be put into the project's framemill.toml

A folder is made beside its place and put there when all of it is written.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import Engine, select

from service.decisions.deciding import decided_of
from service.history.schema.decision_tables import DECIDED
from service.history.schema.tables import PICTURES, RECORDS, RUNS
from service.local_client import address_in
from service.results.documents import id_text
from workers.text import Told

if TYPE_CHECKING:
    from sqlalchemy import Row

MOST_PROOFS = 1000  # of a project, as the flow has it
_PAGE = 200
_OF_PROOFS = {".png", ".jpg", ".jpeg"}
_MOST_DATA_CHARS = 10_000


class Chosen(NamedTuple):
    """Which decided frames: those that came from `since_ns` on and before `until_ns`, of these cameras and servers."""

    since_ns: int | None = None
    until_ns: int | None = None
    cameras: tuple[str, ...] = ()
    servers: tuple[str, ...] = ()


@dataclass(slots=True)
class Written:
    """How many pictures were written, and how many decided frames have none, or one that is not for this."""

    good: int = 0
    bad: int = 0
    without_picture: int = 0
    other_form: int = 0
    left_out: int = 0

    @property
    def all(self) -> int:
        """Pictures of both."""
        return self.good + self.bad


class CannotExport(Exception):
    """There is something where the folder is to be, or nothing to write into it; the message says what."""


class _Frame(NamedTuple):
    frame_id: str
    is_good: bool
    label: str | None
    told: Told
    picture: Path | None


def export_truth(engine: Engine, pictures: Path, folder: Path, chosen: Chosen) -> Written:
    """Write pictures and `truth.json` into `folder`; raises CannotExport, OSError, SQLAlchemy's errors."""
    written = Written()
    truth: dict[str, dict[str, Any]] = {}
    with _NewFolder(folder) as made:
        for frame in _decided(engine, pictures, chosen):
            side = "good" if frame.is_good else "bad"
            if frame.picture is not None and _copied(frame.picture, made / side, frame.frame_id):
                entry: dict[str, Any] = {"result": frame.is_good}
                if frame.label is not None and not frame.is_good:
                    entry["label"] = frame.label
                entry |= _said(frame)
                truth[f"{side}/{frame.frame_id}{frame.picture.suffix}"] = entry
                written.good += frame.is_good
                written.bad += not frame.is_good
            else:
                written.without_picture += 1
        _refuse_nothing(written)
        text = json.dumps(truth, ensure_ascii=False, indent=1)
        (made / "truth.json").write_text(f"{text}\n", "utf-8")
    return written


def export_proof(engine: Engine, pictures: Path, folder: Path, named: str, chosen: Chosen) -> Written:
    """Write pictures and `proof.toml` into `folder`, which the project knows as `named`; raises as `export_truth`."""
    written = Written()
    tables = []
    with _NewFolder(folder) as made:
        for frame in _decided(engine, pictures, chosen):
            if frame.picture is None:
                written.without_picture += 1
            elif frame.picture.suffix not in _OF_PROOFS:
                written.other_form += 1
            elif written.all == MOST_PROOFS:
                written.left_out += 1
            elif _copied(frame.picture, made, frame.frame_id):
                tables.append(_table(frame, f"{named}/{frame.frame_id}{frame.picture.suffix}"))
                written.good += frame.is_good
                written.bad += not frame.is_good
            else:
                written.without_picture += 1
        _refuse_nothing(written)
        (made / "proof.toml").write_text("\n".join(tables), "utf-8")
    return written


def _refuse_nothing(written: Written) -> None:
    if written.all == 0:
        some = written.without_picture + written.other_form
        of_some = f", or rather: {some} were, and have no picture" if some else ""
        raise CannotExport(f"there is nothing to write: none of these frames was decided to be OK or NOK{of_some}")


def _table(frame: _Frame, named: str) -> str:
    lines = ["[[proof]]", f"frame = {_toml(named)}", f"result = {'true' if frame.is_good else 'false'}"]
    if frame.label is not None and not frame.is_good:
        lines[-1] += f"  # {_toml(frame.label)}"
    lines += [f"{name} = {_toml(text)}" for name, text in _said(frame).items()]
    return "\n".join([*lines, ""])


def _said(frame: _Frame) -> dict[str, str]:
    """Return what a client said with it, as far as that can be said once more."""
    return {name: text for name, text in frame.told._asdict().items() if text and len(text) <= _MOST_DATA_CHARS}


def _toml(text: str) -> str:
    """Return a text as TOML has it between quotes: as JSON does, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _decided(engine: Engine, pictures: Path, chosen: Chosen) -> Iterator[_Frame]:
    """Yield frames of which people have said whether they are good, newest first."""
    came, number = DECIDED.c.came_ns, DECIDED.c.record
    columns = (RECORDS, PICTURES.c.file, DECIDED.c.truth)
    joined = DECIDED.join(RECORDS, RECORDS.c.number == number).outerjoin(PICTURES, PICTURES.c.record == number)
    query = select(*columns).select_from(joined).where(DECIDED.c.truth.is_not(None))
    if chosen.since_ns is not None:
        query = query.where(came >= chosen.since_ns)
    if chosen.until_ns is not None:
        query = query.where(came < chosen.until_ns)
    if chosen.cameras:
        query = query.where(RECORDS.c.camera.in_(chosen.cameras))
    if chosen.servers:
        query = query.where(RECORDS.c.run.in_(select(RUNS.c.run).where(RUNS.c.server.in_(chosen.servers))))
    query = query.order_by(came.desc(), number.desc()).limit(_PAGE)
    page_query = query
    while True:
        with engine.begin() as connection:
            page = connection.execute(page_query).all()
            found = [_frame(row, pictures, decided_of(connection, row).labels) for row in page]
        yield from found
        if len(page) < _PAGE:
            return
        last = page[-1]
        page_query = query.where(came <= last.came_ns, (came < last.came_ns) | (number < last.number))


def _frame(row: Row[Any], pictures: Path, labels: list[str]) -> _Frame:
    path = None if row.file is None else pictures / row.file
    label = labels[0] if labels else None
    # a client that has no key and names no camera is known by its address
    camera = "" if row.camera == row.client and address_in(row.client) is not None else row.camera
    told = Told(row.data, camera, row.view or "")
    return _Frame(id_text(row.came_ns, row.slot), row.truth == "OK", label, told, path)


def _copied(picture: Path, folder: Path, frame_id: str) -> bool:
    """Copy a picture; returns whether it was still there."""
    folder.mkdir(exist_ok=True)
    try:
        shutil.copyfile(picture, folder / f"{frame_id}{picture.suffix}", follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


class _NewFolder:
    """A folder that is made beside its place, and is put there at the end; nothing is left where that fails."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._made = place.with_name(f".{place.name}.{os.getpid()}.part")

    def __enter__(self) -> Path:
        if self._place.is_symlink() or self._place.exists():
            if self._place.is_symlink() or not self._place.is_dir():
                raise CannotExport(f"{self._place} is there, and is no folder")
            if next(self._place.iterdir(), None) is not None:
                raise CannotExport(f"{self._place} is there, and has something in it; name a new folder")
        self._made.parent.mkdir(parents=True, exist_ok=True)
        self._made.mkdir()
        return self._made

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            with suppress(FileNotFoundError):
                self._place.rmdir()
            self._made.rename(self._place)
        else:
            shutil.rmtree(self._made, ignore_errors=True)
