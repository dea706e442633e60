"""Attacks are on servers as users have them, with all of their frame memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from workers.settings import PoolSettings


@pytest.fixture(scope="package", autouse=True)
def whole_memory() -> Iterator[None]:
    """Let running.serving take as much memory as the settings say where nobody says otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("max_frame_mib", "max_reply_mib"):
            patch.setenv(f"FRAMEMILL_{name.upper()}", str(PoolSettings.model_fields[name].default))
        yield
