"""A project that runs what a request's `data` says, on a server with one worker, and what tests ask of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.support.faults import post, until, whole
from tests.support.running import Server, serving, write_project

OBEY = """
import ctypes, locale, os, pathlib, signal, subprocess, sys, threading, time, zlib
import cv2
import numpy as np

def main(context):
    exec(context["data"], {**globals(), "context": context, "here": pathlib.Path(os.environ["FRAMEMILL_DATA"])})
    context["pid"] = os.getpid()
"""


@pytest.fixture(name="server", scope="module")
def obeying_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests of the file that imports this, with the project above."""
    folder = tmp_path_factory.mktemp("faults") / "obeys"
    project = write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/obey.py"\n', obey=OBEY)
    env = {"FRAMEMILL_MAX_CONTEXT_KIB": "64", "FRAMEMILL_DEADLINE_MS": "60000", "FRAMEMILL_QUEUE_MS": "60000"}
    with serving(project, "--workers", "1", env=env) as running:
        yield running


@contextmanager
def one_worker(server: Server) -> Iterator[None]:
    """Fails where the worker has died inside the block, or a slot is missing behind it."""
    until(lambda: whole(server))
    before = server.status()["workers"]["deaths"]
    yield
    until(lambda: whole(server))
    assert server.status()["workers"]["deaths"] == before


def told(server: Server, code: str) -> dict[str, Any]:
    answer = post(server, code)
    assert answer.status_code == 200, answer.text
    context: dict[str, Any] = answer.json()
    return context
