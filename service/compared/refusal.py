"""The page of a proof that failed, in a folder that is the server's own user's alone; the oldest ones go.

Made in a process of its own, of what a fork of the version has found (workers/trying/proof.py).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from service.compared.compare_page import Side, proof_page
from service.compared.comparing import Pair
from service.safe_files import new_file
from service.tryout.row import Row, row_of
from workers.programs.try_pool import Tried
from workers.trying.proof_file import read_found
from workers.trying.try_messages import What, take_first

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workers.change.failed_proof import FailedProof
    from workers.change.proving import Proved

_KEPT = 10
_SUFFIX = ".html"


def write_refusal(failed: FailedProof, folder: Path) -> Path:
    """Write the page into `folder`; returns its path. Raises OSError."""
    title = f"{failed.new.name}: the proof of the {'next' if failed.old else 'running'} version fails"
    frames = len(failed.new.proofs)
    pairs = _pairs(failed)
    said = f"Version {failed.new.version} does not say of its proof what it should, in {len(pairs)} of {frames} frames."
    if failed.proved.failure:
        said += f" The proof did not come to its end: it {failed.proved.failure}."
    old = Side("runs now", failed.old.version) if failed.old else Side("", "")
    page = proof_page(title, said, (old, Side("next" if failed.old else "runs now", failed.new.version)), pairs, frames)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    path = folder / f"{datetime.now().astimezone():%Y%m%d-%H%M%S-%f}-{failed.new.version}{_SUFFIX}"
    with new_file(path, 0o600) as file:
        file.write(page.encode())
    _remove_old(folder)
    return path


def _pairs(failed: FailedProof) -> list[Pair]:
    proved, names = failed.proved, [Path(proof.options.frame) for proof in failed.new.proofs]
    found = dict(_rows(proved, names))
    numbers = sorted({*proved.wrong, *([proved.at] if proved.failure and proved.at is not None else [])})
    before = dict(_rows(failed.before, [names[number] for number in numbers])) if failed.before else {}
    pairs = []
    for place, number in enumerate(numbers):
        fallen = proved.failure if number == proved.at else ""
        row, wrong = found.get(number, (Row(names[number], "ERROR"), [fallen or proved.wrong.get(number, "")]))
        old, _ = before.get(place, (None, []))
        pairs.append(Pair(row, old, tuple(wrong)))
    return pairs


def _rows(proved: Proved, names: list[Path]) -> Iterator[tuple[int, tuple[Row, list[str]]]]:
    for found, message in read_found(proved.fd):
        said = take_first(message)
        if said is not None and found.number < len(names):
            is_context = said.what is What.CONTEXT
            context, error = (said.body, "") if is_context else (b"", said.body.decode())
            tried = Tried(found.number, context, error, said.preview, said.decode_ns / 1e6, said.flow_ns / 1e6)
            yield found.number, (row_of(names[found.number], tried, None), found.wrong)


def _remove_old(folder: Path) -> None:
    for page in sorted(folder.glob(f"*{_SUFFIX}"))[:-_KEPT]:
        with suppress(OSError):
            page.unlink()
