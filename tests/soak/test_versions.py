"""A minute of edits on disk while frames come and workers and templates are killed: nobody notices, and all is whole.

Nothing is reloaded, so every answer must be that of the one version that was loaded: valid edits, syntax errors, half
saved files, a list that changes, and the project's folder moved away and back.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.soak.kit.report import report
from tests.support.faults import until
from tests.support.running import Server, serving
from tests.support.versions import CHECK, HELPER, next_edition, template_of, under_load, versioned, workers_of

_STORM_S = 60.0
_LOAD_S = 1
_SLOW_TO_LOAD = f"import time\ntime.sleep({_LOAD_S})\n"

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]


def _edit(project: Path, chance: random.Random, over: threading.Event) -> int:
    """Change something every few milliseconds until `over`; returns how often."""
    code, away = project / "code", project.with_name("away")
    edits = 0
    while not over.wait(chance.uniform(0, 0.02)):
        edits += 1
        match chance.randrange(6):
            case 0:
                next_edition(project, edits + 10)
            case 1:
                (code / "check.py").write_text("def main(context:\n    broken = = 1\n")
            case 2:
                (code / "check.py").write_text(CHECK[: chance.randrange(len(CHECK))])
            case 3:
                (code / "check.py").write_text(_SLOW_TO_LOAD + CHECK + HELPER.format(edits + 10))
            case 4:
                project.rename(away)
                over.wait(chance.uniform(0, 0.2))
                away.rename(project)
            case 5:
                shutil.rmtree(project / "references", ignore_errors=True)
                (project / "references").mkdir()
    return edits


def _kill(server: Server, chance: random.Random, over: threading.Event) -> dict[str, int]:
    """Kill a worker, or now and then the template, a few times a second; returns how many of each."""
    killed = {"workers": 0, "templates": 0}
    while not over.wait(chance.uniform(0.05, 0.4)):
        what = "templates" if chance.random() < 0.1 else "workers"
        pids = {template_of(server)} if what == "templates" else workers_of(server)
        if pids:
            killed[what] += 1
            os.kill(chance.choice(sorted(pids)), signal.SIGKILL)
        if what == "templates":  # while the next one loads, one of the two workers may go, but not both
            os.kill(chance.choice(sorted(workers_of(server))), signal.SIGKILL)
            over.wait(3 * _LOAD_S)
    return killed


def test_an_edit_storm_with_kills_changes_no_answer(tmp_path: Path) -> None:
    project = versioned(tmp_path / "p", check=_SLOW_TO_LOAD + CHECK)
    over = threading.Event()
    found: dict[str, object] = {}
    # a frame that ended two workers is kept in the state folder, which must not come anew where the project was
    with serving(project, "--state-dir", str(tmp_path / "state")) as server:
        version = server.status()["flowVersion"]
        editor = threading.Thread(target=lambda: found.update(edits=_edit(project, random.Random(1), over)))
        killer = threading.Thread(target=lambda: found.update(_kill(server, random.Random(2), over)))
        with under_load(server, 4) as line:
            editor.start()
            killer.start()
            time.sleep(_STORM_S)
            over.set()
            editor.join()
            killer.join()
        until(lambda: server.status()["workers"]["ready"] == 2)
        took_ms = sorted(answer.elapsed.total_seconds() * 1000 for answer in line.answers)
        # a frame whose worker was killed twice ends in an error of its own, as everywhere
        failed = [answer.json()["code"] for answer in line.answers if answer.status_code != 200]
        seen = {
            (c["flowVersion"], c["limit"], *c["numbers"], len(c["errors"]))
            for c in (answer.json() for answer in line.answers if answer.status_code == 200)
        }
        alive = server.process.poll() is None
        found |= {"frames": len(took_ms), "failed": len(failed), "versions": len({one[0] for one in seen})}
        found |= {"p99_ms": round(took_ms[len(took_ms) * 99 // 100], 1), "longest_ms": round(took_ms[-1], 1)}
        report("versions", found, [] if alive and len(seen) == 1 else ["one version"])
    assert alive
    assert seen == {(version, 1, 1, 1, 0)}
    assert set(failed) <= {"worker_crashed"}
    assert len(failed) <= 5
