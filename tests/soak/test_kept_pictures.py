"""Ten minutes of 200 frames a second, each one's picture kept: none is lost, old ones make room, memory stays flat."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np
import pytest

from service.history.places.place import sqlite_in
from service.trial.load import Load, Plan, Shot, run_cameras
from tests.results.served import project_in
from tests.soak.kit.report import report
from tests.support.faults import RECORDER, programs_of, until
from tests.support.running import Server, serving

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

SECONDS, PER_S, CAMERAS = 600.0, 200.0, 8
SETTLED_S = 120.0
MOST_MIB = 256
MOST_GROWTH_KIB = 16 << 10  # what SQLite and the allocator keep; a leak of a JPEG in a hundred would be 30 MiB


def _recorder_kib(server: Server) -> int:
    (recorder,) = programs_of(server.process.pid, RECORDER)
    status = Path(f"/proc/{recorder}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon:")).split()[1])


def _files() -> list[bytes]:
    noise = np.random.default_rng(1)
    small = [noise.integers(0, 255, (60, 80, 3), np.uint8) for _ in range(20)]
    return [cv2.imencode(".jpg", cv2.resize(one, (640, 480)))[1].tobytes() for one in small]


def test_every_picture_is_kept_and_memory_is_flat(tmp_path: Path) -> None:
    shots = [Shot(f"/analyze_image?data={'nok' if n == 0 else ''}", (file,)) for n, file in enumerate(_files())]
    options = ("--record", "async", "--pictures", "all", "--pictures-mib", str(MOST_MIB), "--free-disk-mib", "0")
    project = project_in(tmp_path / "p")
    with serving(project, "--workers", "2", "--fronts", "1", *options) as server:
        until(lambda: server.status()["history"]["state"] == "recording")
        loads: list[Load] = []
        plan = Plan(server.port, CAMERAS, SECONDS, 1000 * CAMERAS / PER_S)
        cameras = threading.Thread(target=lambda: loads.append(run_cameras(plan, shots)))
        cameras.start()
        cameras.join(SETTLED_S * SECONDS / 600)
        settled_kib = _recorder_kib(server)
        cameras.join()
        load = loads[0]

        def all_known() -> bool:
            told = server.status()["history"]["pictures"]
            return bool(told["kept"] + told["lost"] >= load.frames)

        until(all_known)
        time.sleep(1.0)
        ended_kib = _recorder_kib(server)
        told = server.status()["history"]["pictures"]
        files_bytes = sum(path.stat().st_size for path in project.rglob("*.jpg"))
        with closing(sqlite3.connect(sqlite_in(project / ".framemill"))) as connection:
            (known,) = connection.execute("SELECT count(*) FROM pictures WHERE file IS NOT NULL").fetchone()
            (gone,) = connection.execute("SELECT count(*) FROM pictures WHERE file IS NULL").fetchone()
    figures = {
        "frames": load.frames,
        "errors": load.errors,
        "p99_ms": load.p99_ms,
        "kept": told["kept"],
        "lost": told["lost"],
        "mib": round(files_bytes / (1 << 20), 1),
        "settled_mib": settled_kib // 1024,
        "ended_mib": ended_kib // 1024,
    }
    broken = {
        "errors": load.errors > 0,
        "pictures were lost": told["lost"] > 0,
        "not all are known": known + gone != load.frames,
        "too many bytes": files_bytes > (MOST_MIB + MOST_MIB // 8) << 20,
        "memory grew": ended_kib - settled_kib > MOST_GROWTH_KIB,
    }
    said = [what for what, is_broken in broken.items() if is_broken]
    report("every picture kept", figures, said)
    assert not said, figures
