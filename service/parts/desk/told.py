"""Where what became of parts is told: on record, in the ring of the part desk, and to who asks a little later."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import orjson

from service.parts.joining import MISSING, Frame, Part, Verdict
from service.results.documents import View, id_text, part_document
from service.results.reading import RingReader
from service.results.record import BadRecord, Head, Kind, Record, Times

if TYPE_CHECKING:
    from service.results.ring import RingWriter
    from service.results.seats import Sleepers

_MOST_RECENT = 2000
_NO_SLOT = 0xE0  # as in service/results/publish.py
_JUDGED, _ERROR = 200, 500
_VERDICTS = {"OK": True, "NOK": False}


def frame_id(frame: Frame) -> str:
    """Return the id of a frame as its record has it."""
    return id_text(frame.came_ns, frame.slot)


class PartRing:
    """Writes parts to a ring of their own, and wakes who follows."""

    def __init__(self, fd: int, ring: RingWriter, sleepers: Sleepers) -> None:
        self._fd = fd
        self._ring = ring
        self._sleepers = sleepers

    def tell(self, part: Part, verdict: Verdict, end_ns: int) -> dict[str, Any]:
        """Have it on record; returns what is told of it."""
        packed = _packed(part, verdict, end_ns, self._ring.front)
        self._ring.append(packed)
        self._sleepers.wake()
        return Record.unpack(packed).document()

    def told(self) -> list[dict[str, Any]]:
        """What is on record already, as far as it is still there, the oldest first."""
        reader = RingReader(self._fd)
        reader.begin_with_oldest()
        return documents_in(reader)


def documents_in(reader: RingReader) -> list[dict[str, Any]]:
    """Return what is told in a ring, from where its reader is."""
    found = []
    while raw := reader.next():
        try:
            found.append(Record.unpack(raw.packed).document())
        except BadRecord:
            continue
    return found


class NoRing:
    """Where no results are kept (results_mib = 0)."""

    def tell(self, part: Part, verdict: Verdict, end_ns: int) -> dict[str, Any]:
        """See PartRing."""
        return Record.unpack(_packed(part, verdict, end_ns, 0)).document()

    def told(self) -> list[dict[str, Any]]:
        """See PartRing."""
        return []


def _packed(part: Part, verdict: Verdict, end_ns: int, front: int) -> bytes:
    status = _ERROR if verdict.word == "ERROR" else _JUDGED
    times = Times(took_ns=max(0, end_ns - part.begin_ns))
    head = Head(part.begin_ns, _NO_SLOT + front, status, _VERDICTS.get(verdict.word), part.version, times=times)
    told = {"why": verdict.why, "views": [[*view] for view in _views(part)]}
    return head._replace(kind=Kind.PART).pack(orjson.dumps({"part": part.name}), orjson.dumps(told), b"")


def _views(part: Part) -> list[View]:
    seen = part.seen
    return [
        View(view, part.word_of(view), frame_id(seen[view].frame) if view in seen else None) for view in part.plan.views
    ]


def open_document(part: Part) -> dict[str, Any]:
    """Return what is told of a part that is open."""
    known = {
        "id": "",
        "time": "",
        "part": part.name,
        "flowVersion": f"{part.version:016x}",
        "verdict": None,
    }
    head = Head(part.begin_ns, _NO_SLOT, _JUDGED, flow=part.version, kind=Kind.PART)
    known["time"] = Record(head, {}, {}, b"").time
    views = [view._replace(verdict="") if view.verdict == MISSING else view for view in _views(part)]
    found = part_document(known, part.begin_ns, time.time_ns(), None, views)
    found["result"] = None
    found["left_ms"] = max(0, part.due_ns - time.monotonic_ns()) / 1e6
    for view in found["views"]:
        view["verdict"] = view["verdict"] or None
    return {key: value for key, value in found.items() if key != "id"}


class Recent:
    """What was told of the last parts, by name."""

    def __init__(self) -> None:
        self._by_name: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def get(self, name: str) -> dict[str, Any] | None:
        """Return the newest one."""
        return self._by_name.get(name)

    def put(self, document: dict[str, Any]) -> None:
        """Have it known; the oldest one is forgotten."""
        name = str(document["part"])
        self._by_name.pop(name, None)
        self._by_name[name] = document
        while len(self._by_name) > _MOST_RECENT:
            self._by_name.popitem(last=False)

    def with_frame(self, name: str, frame: Frame) -> dict[str, Any] | None:
        """Return the newest one of that name, if this very frame was in it."""
        found = self._by_name.get(name)
        this = frame_id(frame)
        return found if found is not None and any(view["frame"] == this for view in found["views"]) else None

    def has(self, part: Part) -> bool:
        """Whether this very pass is known."""
        found = self._by_name.get(part.name)
        begun = f"{part.begin_ns:016x}"
        return found is not None and str(found["id"]).startswith(begun)
