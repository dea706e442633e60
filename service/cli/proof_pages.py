"""Pages of proofs that failed, for a server that the command line starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from workers.change.failed_proof import FailedProof


def show_proof(failed: FailedProof, folder: Path) -> Path:
    """Write such a page into `folder`; what makes it is loaded only where one is made, in a process of its own."""
    from service.compared.refusal import write_refusal  # noqa: PLC0415

    return write_refusal(failed, folder)
