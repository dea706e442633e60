"""Four times what the workers can do: whoever is answered is answered in time, the others are told so at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.soak.kit.census import take_census
from tests.soak.kit.prober import probing
from tests.soak.kit.report import quantile_ms
from tests.soak.kit.run import Run, chaos
from tests.soak.kit.secrets import API_KEY
from tests.support.contract import speak
from tests.support.faults import faulty, post, until
from tests.support.running import serving

WORK_S = 0.04  # of a worker's time, without using a core: what the workers can do is known, and the machine has room
CAMERAS = 120
OVERLOAD_S = 60.0
HEALTH_MS = 100.0


def _most_per_s(run: Run) -> float:
    with run.cameras(per_s=10_000) as cameras:  # each sends its next frame as soon as it has an answer
        cameras.run(2.0)
        answers = cameras.run(8.0)
    return len([answer for answer in answers if answer.status == 200]) / 8.0


def _check_probes(run: Run, probes: list[dict[str, Any]]) -> None:
    longest_ms = max(probe["ms"] for probe in probes)
    run.figures |= {"probes": len(probes), "longest_probe_ms": round(longest_ms, 1)}
    run.figures["probes_over_100_ms"] = sum(1 for probe in probes if probe["ms"] > HEALTH_MS)
    run.expect(longest_ms <= HEALTH_MS, f"H1: health or metrics took {longest_ms:.0f} ms")
    bad = [probe for probe in probes if probe["status"] != 200]
    run.expect(not bad, f"H1: {len(bad)} probes were not answered with 200, as {bad[:1]}")


@pytest.mark.soak
@pytest.mark.timeout(600)
def test_at_four_times_what_the_workers_can_do_goodput_stays_and_the_rest_is_refused(tmp_path: Path) -> None:
    with chaos("4 times overload", tmp_path, "--workers", "2", work_s=WORK_S) as run:
        most_per_s = _most_per_s(run)
        with run.cameras(count=CAMERAS, per_s=4 * most_per_s) as cameras:
            cameras.run(5.0)
        run.before = take_census(run.supervisor)  # a front keeps the threads that it once needed, up to a fixed number
        with probing(run.server.port, API_KEY) as probes, run.cameras(count=CAMERAS, per_s=4 * most_per_s) as cameras:
            cameras.run(2.0)
            answers = cameras.run(OVERLOAD_S)
        _check_probes(run, probes)
        good = [answer for answer in answers if answer.status == 200]
        refused = [answer for answer in answers if answer.status == 429]
        goodput = len(good) / OVERLOAD_S / most_per_s
        run.figures |= {"most_per_s": most_per_s, "offered_per_s": len(answers) / OVERLOAD_S, "goodput": goodput}
        run.figures["refused_p99_ms"] = quantile_ms(refused, 0.99)
        run.allow(server_busy=len(cameras.answers))
        run.expect(goodput >= 0.95, f"H1: goodput is {goodput:.3f} of what it was")
        run.expect(all(int(answer.retry_after or 0) >= 1 for answer in refused), "H1: a 429 without Retry-After")
        run.expect(len(answers) >= 3 * most_per_s * OVERLOAD_S, "the cameras did not send enough: is the machine busy?")
        calm_s = time.monotonic()
        with run.cameras(per_s=most_per_s / 2) as cameras:
            cameras.run(1.0)
            after = cameras.run(5.0)
        run.expect(all(answer.status == 200 for answer in after), "H1: a second later it still refused frames")
        run.figures["p99_ms_after"] = quantile_ms(after, 0.99)
        # what is normal under overload is that frames wait for those before them: the bystanders here come after
        run.answers = [answer for answer in run.answers if answer.sent_s >= calm_s or answer.status != 200]


def test_a_full_server_refuses_a_frame_before_all_of_its_body_is_sent(tmp_path: Path) -> None:
    head = b"POST /analyze_raw_image?width=1920&height=1024 HTTP/1.1\r\nHost: x\r\nContent-Length: 5898240\r\n\r\n"
    env = {"FRAMEMILL_SLOTS": "2", "FRAMEMILL_QUEUE_MS": "20"}
    with serving(faulty(tmp_path / "p"), env=env) as server, ThreadPoolExecutor(3) as cameras:
        waiting = [cameras.submit(post, server, "wait:go") for _ in range(3)]
        until(lambda: server.status()["slots"]["free_here"] == 0)
        with speak(server, head + bytes(65_536)) as connection:
            assert connection.recv(65536).startswith(b"HTTP/1.1 429 ")
        (server.project / "data" / "go").touch()
        assert [answer.result().status_code for answer in waiting] == [200, 200, 200]
