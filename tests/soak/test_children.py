"""User code starts processes in every way that Python has, again and again, beside frames of others."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.containment.test_children_of_user_code import CODE, NAMES, WAYS, is_ours
from tests.soak.kit.report import report
from tests.support.faults import FRAME, RAW, children_of, post, until, whole
from tests.support.running import serving, write_project

ROUNDS = 20


@pytest.mark.soak
def test_children_of_user_code_work_and_leave_nothing(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=CODE, helper=WAYS)
    env = {"FRAMEMILL_DEADLINE_MS": "60000", "JOBLIB_TEMP_FOLDER": str(tmp_path / "joblib")}
    over, others = threading.Event(), Counter[int]()

    with serving(project, "--workers", "2", env=env) as server:

        def camera() -> None:
            with server.client() as client:
                while not over.wait(0.02):
                    others[client.post(RAW, content=FRAME).status_code] += 1

        workers = Counter[int]()
        held: list[str] = []
        failed: list[object] = []
        beside = threading.Thread(target=camera)
        beside.start()
        begun_s = time.monotonic()
        try:
            for way in NAMES * ROUNDS:
                context = post(server, way).json()
                workers[context["pid"]] += 1
                failed += context["errors"]
                held += [link for links in context.get("children", ()) for link in links if is_ours(link, context)]
        finally:
            over.set()
            beside.join()
        took_s = round(time.monotonic() - begun_s, 1)
        until(lambda: whole(server))
        left = [child for pid in workers for child in children_of(pid)]
        open_files = {pid: len(os.listdir(f"/proc/{pid}/fd")) for pid in workers}  # noqa: PTH208 - as the kernel counts
    figures = {
        "ways": len(NAMES),
        "times": len(NAMES) * ROUNDS,
        "took_s": took_s,
        "failed": len(failed),
        "held": held[:3],
        "open_files": sorted(open_files.values()),
        "frames_of_others": dict(others),
    }
    # what loky and a fork server keep for the next call lives on with the worker
    broken = [f"{failed[:3]} {held[:3]}"] if failed or held or set(others) != {200} else []
    report("children of user code", {**figures, "left": len(left)}, broken)
    assert not broken
    assert len(workers) == 2
    assert all(count < 200 for count in open_files.values())
