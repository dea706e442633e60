"""What tests of results have in common."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.results.house import House, house


@pytest.fixture(name="server")
def server_house(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made
