"""A proof that failed, as whoever makes a page of it gets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workers.change.proving import Proved
    from workers.flow.project import Project
    from workers.trying.proof_file import ProofFrame


@dataclass(frozen=True, slots=True)
class FailedProof:
    """What `new` said of the frames of its proof, in `proved`; `shown` are those of which something is wrong.

    What `old` says of those is in `before`, in their order; it may have been asked in vain, or not at all.
    """

    new: Project
    proved: Proved
    shown: Sequence[ProofFrame]
    old: Project | None = None
    before: Proved | None = None

    def close(self) -> None:
        """Let go of what was found."""
        self.proved.close()
        if self.before is not None:
            self.before.close()


def lines_of(project: Project, proved: Proved) -> list[str]:
    """Say what is wrong, a line for each frame, and at last why the proof did not come to its end."""
    labels = [proof.label for proof in project.proofs]
    lines = [f"{labels[number]}: {why}" for number, why in sorted(proved.wrong.items())]
    if proved.failure:
        lines.append(f"{labels[proved.at]}: {proved.failure}" if proved.at is not None else proved.failure)
    return lines
