"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.soak.kit.report import pytest_terminal_summary  # noqa: F401 - a hook: the figures of chaos runs, at the end
from tests.support.databases.cluster import shared_cluster as shared_cluster  # noqa: PLC0414 - a fixture
from tests.support.noting import noting as noting  # noqa: PLC0414 - a fixture
from tests.support.running import CHECKOUT, Server, serving, write_project


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real frames beside the checkout: `pcb`, `tiles`, `pekat`, `hostile`."""
    folder = CHECKOUT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the real frames are not there: {folder} (they are kept beside the checkout, not in it)")
    return folder


MARK = """
def main(context):
    image = context["image"]
    # the mark is in the first pixel; what the flow was told and what it saw go back with the context
    context["mark"] = [int(v) for v in image[0, 0]]
    context["seen"] = {"data": context["data"], "shape": list(image.shape), "sum": int(image.sum(dtype="uint64"))}
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose flow gives back what it saw; shared by all tests that leave it as it was."""
    project = write_project(
        tmp_path_factory.mktemp("mark"), '[[flow]]\nmodule = "code"\nfile = "code/mark.py"\n', mark=MARK
    )
    whole = ("--max-frame-mib", "24", "--max-reply-mib", "32")
    with serving(project, "--stop-key", "not-the-real-one", *whole) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as made:
        yield made


@pytest.fixture(scope="session")
def scene() -> NDArray[np.uint8]:
    """A colour picture of 64 x 48 px with a gradient in every channel; no two rows are alike."""
    rows, columns = np.mgrid[0:48, 0:64]
    return np.stack([columns * 4, rows * 5, (rows + columns) * 2], axis=2).astype(np.uint8)
