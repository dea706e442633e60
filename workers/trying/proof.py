"""Frames of a proof through a version that was loaded, in a fork of its template: what it says otherwise than expected.

The fork is a child of the supervisor, as a worker is, with a worker's limits, and it takes no frame of anybody's. What
it is to do lies in a file in memory that both have, and what it found is written behind that (proof_file.py).

Its report pipe says where it stands, a line of JSON each: {"pid": n}, {"at": number} before each frame, {"wrong":
[number, why]}, {"end": true}. A frame that takes too long leaves its stack in the file, and ends the process.
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import orjson

from workers.containment.limits import data_bytes, limit_memory
from workers.containment.surroundings import Surroundings
from workers.told.witness import Witness
from workers.trying.loaded import LoadedProject
from workers.trying.proof_file import ProofFrame, ProofRequest, write_all
from workers.trying.try_frame import preview_of, try_frame
from workers.trying.try_messages import Frame, Said, What
from workers.worker.worker import BOOT_FAILED, Place, live_apart, loaded_in, report

if TYPE_CHECKING:
    from workers.flow.proof import Proof

VARIABLE = "FRAMEMILL_PROOF"  # by which code knows that these frames are nobody's parts
_NICE = 10  # the line goes on meanwhile
_GRACE_S = 0.25  # for a flow that ends by itself when its time is over
_PREVIEW_PX = 1280
_MOST_SHOWN = 100
_MOST_CHARACTERS = 500


def run_proof(place: Place, supervisor_pid: int) -> NoReturn:
    """Live the life of such a fork; `place.lifeline_fd` is the file."""
    live_apart(place, supervisor_pid, _prove)


def _prove(place: Place) -> int:
    for fd in {place.arena.fd, place.arena.global_fd, place.channel.inbox_fd, *place.channel.done_fds}:
        os.close(fd)  # frames of others are none of its business
    report(place.report_fd, {"pid": os.getpid()})
    os.nice(_NICE)
    os.environ[VARIABLE] = "1"
    from_bytes = data_bytes()
    inspector = loaded_in(place)
    if inspector is None:
        return BOOT_FAILED
    inspector.flow.worker = place.row
    limit_memory(place.settings.worker_memory_mib, from_bytes)
    proving = _Proving(place, LoadedProject(inspector, place.settings, witness=Witness(str(place.project.folder))))
    surroundings = Surroundings()
    for number, frame in enumerate(ProofRequest.read(place.lifeline_fd).frames):
        report(place.report_fd, {"at": number})
        proving.run(number, frame)
        surroundings.restore()
    report(place.report_fd, {"end": True})
    return 0


class _Proving:
    """The version, and where is written what it says."""

    def __init__(self, place: Place, loaded: LoadedProject) -> None:
        self._place = place
        self._loaded = loaded
        self._shown = 0

    def run(self, number: int, frame: ProofFrame) -> None:
        settings = self._place.settings
        # by C, even while C code keeps the interpreter's lock
        faulthandler.dump_traceback_later(settings.run_ms / 1000 + _GRACE_S, exit=True, file=self._place.lifeline_fd)
        said = try_frame(self._loaded, Frame(frame.path, frame.told), settings.max_frame_mib, _PREVIEW_PX)
        faulthandler.cancel_dump_traceback_later()
        proofs: Sequence[Proof] = self._place.project.proofs
        wrong = _wrong(said, proofs[frame.judged_by]) if frame.judged_by is not None else []
        if wrong:
            report(self._place.report_fd, {"wrong": [number, "; ".join(wrong)[:_MOST_CHARACTERS]]})
        if (wrong or frame.judged_by is None) and self._shown < _MOST_SHOWN:
            self._shown += 1
            self._show(number, wrong, said)

    def _show(self, number: int, wrong: list[str], said: Said) -> None:
        if said.what is What.CONTEXT:
            said = said._replace(preview=preview_of(self._loaded, _PREVIEW_PX))
        message = said.pack()
        line = orjson.dumps({"number": number, "wrong": wrong, "bytes": len(message)})
        write_all(self._place.lifeline_fd, line + b"\n" + message)


def _wrong(said: Said, proof: Proof) -> list[str]:
    if said.what is What.ERROR:
        return [f"has no verdict: {said.body.decode()}"]
    return [*proof.differences(orjson.loads(said.body))]
