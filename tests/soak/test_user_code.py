"""User code hangs, leaves, and eats all memory beside good cameras: each time it costs its own frame, and no other."""

from __future__ import annotations

import os
import subprocess
import threading
from collections import Counter
from pathlib import Path
from statistics import median

import httpx
import pytest

from tests.soak.kit.cameras import Answer, Cameras, Choose
from tests.soak.kit.census import pids, slot_states
from tests.soak.kit.cgroup import memory_limit
from tests.soak.kit.parent import restarted_by_a_parent
from tests.soak.kit.run import Run, chaos
from tests.support.faults import is_gone, until

pytestmark = [pytest.mark.soak, pytest.mark.timeout(900)]

WORKERS = ("--workers", "3")
DEADLINE_MS = 1000
HANGS = 50
TIMES = 100
OUT_OF_MEMORY = 10
_EVERY = 20  # one frame in so many misbehaves: the flow answers the others, so that the breaker lets it be
_MEASURE_S = 6.0
_TURNS = 3
_NOISE = 0.05  # of a rate on a machine that does other things as well


def _one_in(every: int, times: int, what: str) -> Choose:
    """Let one frame in `every` ask for `what`, `times` times in all; the others for nothing but their mark."""
    numbers = range(every, every + times * every, every)
    return lambda number: what if number in numbers else "mark"


def _asked(cameras: Cameras, what: str) -> list[Answer]:
    return [answer for answer in cameras.answers if answer.asked == what]


def _until_all_are_sent(run: Run, cameras: Cameras, what: str, times: int) -> list[Answer]:
    for _ in range(300):
        cameras.run(1.0)
        if len(_asked(cameras, what)) >= times:
            break
    cameras.run(2.0)
    asked = _asked(cameras, what)
    run.expect(len(asked) == times, f"{len(asked)} of {times} frames that ask for {what} were sent")
    run.faults = len(asked)
    run.figures[what] = len(asked)
    return asked


@pytest.mark.parametrize("hang", ["hang", "deaf", "deadlock"])
def test_frames_that_hang_end_at_their_deadline_and_the_others_go_on(tmp_path: Path, hang: str) -> None:
    """In C, without an ear for SIGTERM, at a lock that is taken twice."""
    with chaos(f"{HANGS} x {hang}", tmp_path, *WORKERS, deadline_ms=DEADLINE_MS) as run:
        with run.cameras(per_s=25, choose=_one_in(40, HANGS, hang)) as cameras:
            hung = _until_all_are_sent(run, cameras, hang, HANGS)
        run.allow(deadline_exceeded=len(hung))
        run.expect(all(answer.status == 504 for answer in hung), "a frame that hangs was answered otherwise")
        run.figures["longest_past_deadline_ms"] = round(1e3 * max(a.took_s for a in hung) - DEADLINE_MS)


def _rate(run: Run) -> float:
    """The frames a second of cameras that send the next as soon as they have an answer."""
    with run.cameras(per_s=10_000, large_every=0) as cameras:
        cameras.run(1.0)
        answers = cameras.run(_MEASURE_S)
    return sum(1 for answer in answers if answer.status == 200) / _MEASURE_S


def _hang_until(run: Run, over: threading.Event, codes: Counter[str]) -> None:
    """One frame after the other that hangs: but for moments, one worker of them all does nothing else."""
    with run.client() as client:
        while not over.is_set():
            path = "/analyze_raw_image?width=8&height=8&data=hang:00:"
            answer = client.post(path, content=bytes(8 * 8 * 3))
            codes[answer.json().get("code", "")] += 1


def test_while_one_worker_of_three_hangs_the_others_do_two_thirds(tmp_path: Path) -> None:
    # work that waits uses no core: what the workers can do does not depend on the machine
    with chaos("one of three hangs", tmp_path, *WORKERS, deadline_ms=DEADLINE_MS, work_s=0.04) as run:
        shares = []
        codes: Counter[str] = Counter()
        for _ in range(_TURNS):
            usual, over = _rate(run), threading.Event()
            hanging = threading.Thread(target=_hang_until, args=(run, over, codes))
            hanging.start()
            try:
                shares.append(_rate(run) / usual)
            finally:
                over.set()
                hanging.join()
        # a slot whose frame passed its deadline comes back when its front looks
        until(lambda: run.whole and _at_rest(run))
        run.normal = []  # cameras that send as fast as they can wait for each other
        run.figures |= {"shares": [round(share, 3) for share in shares], "hung": dict(codes)}
        run.expect(set(codes) == {"deadline_exceeded"}, "frames that hang were answered otherwise")
        run.expect(median(shares) >= (2 / 3) * (1 - _NOISE), f"the others did {median(shares):.0%} of the frames")


def _at_rest(run: Run) -> bool:
    slots = slot_states(run.supervisor)
    return slots["RUNNING"] == 0 and slots["DONE"] <= 1


def test_ten_workers_out_of_memory_cost_their_frames_alone_and_none_is_tried_again(tmp_path: Path) -> None:
    sizes = {"FRAMEMILL_MAX_FRAME_MIB": "8", "FRAMEMILL_MAX_REPLY_MIB": "8"}
    with memory_limit(mib=600) as enter, chaos("10 out of memory", tmp_path, *WORKERS, env=sizes) as run:
        family = [run.supervisor, *pids(run.supervisor, "master"), *pids(run.supervisor, "front")]
        for pid in (*family, *pids(run.supervisor, "template"), *pids(run.supervisor, "worker")):
            enter(pid)
        with run.cameras(choose=_one_in(100, OUT_OF_MEMORY, "eat:2000")) as cameras:
            eaten = _until_all_are_sent(run, cameras, "eat", OUT_OF_MEMORY)
        run.allow(out_of_memory=OUT_OF_MEMORY)
        codes = Counter(answer.code for answer in eaten)
        run.expect(codes == {"out_of_memory": OUT_OF_MEMORY}, f"frames that ate all memory were answered with {codes}")
        runs = Counter((run.server.project / "data" / "eaten").read_text().split())
        run.expect(len(runs) == runs.total() == OUT_OF_MEMORY, f"they were run so often: {sorted(runs.values())}")
        run.expect(not any(map(is_gone, family)), "the supervisor, the fronts' master or a front died")
        _check_who_goes_first(run, family)


def _score(pid: int) -> int:
    return int(Path(f"/proc/{pid}/oom_score_adj").read_text())


def _check_who_goes_first(run: Run, family: list[int]) -> None:
    workers = {_score(pid) for pid in pids(run.supervisor, "worker")}
    run.expect(workers == {900}, f"the workers' oom_score_adj is {workers}")
    # lowering it takes a privilege that root may lack as well; without it, it stays as it was
    usual = -900 if _may_lower_it() else _score(os.getpid())
    run.expect({_score(pid) for pid in family} == {usual}, f"the others' oom_score_adj: {list(map(_score, family))}")


def _may_lower_it() -> bool:
    lower = ["sh", "-c", "echo -900 > /proc/self/oom_score_adj"]
    return subprocess.run(lower, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(
    ("way", "code", "deaths_each"),
    [("leave", "worker_crashed", 1), ("abort", "worker_crashed", 2), ("sys-exit", "", 0)],
)
def test_a_hundred_frames_that_end_their_process_cost_nobody_else(
    tmp_path: Path, way: str, code: str, deaths_each: int
) -> None:
    """Leaving by exit is no accident, so it is not tried again; a SystemExit is an error of its frame."""
    with chaos(f"{TIMES} x {way}", tmp_path, *WORKERS) as run:
        with run.cameras(choose=_one_in(_EVERY, TIMES, way)) as cameras:
            ended = _until_all_are_sent(run, cameras, way, TIMES)
        run.expect({answer.code for answer in ended} == {code}, "they were answered otherwise")
        run.allow(worker_crashed=TIMES if code else 0)
        deaths = run.status()["workers"]["deaths"]
        run.figures["deaths"] = deaths
        run.expect(deaths == TIMES * deaths_each, f"{deaths} workers died of {TIMES} frames")


def test_a_flow_that_ends_the_supervisor_refuses_nobody_where_a_parent_holds_the_socket(tmp_path: Path) -> None:
    with restarted_by_a_parent("a flow ends the supervisor", tmp_path) as (run, parent):
        first = parent.process.pid
        family = [first, *(pid for role in ("template", "worker", "master", "front") for pid in pids(first, role))]
        with run.cameras(choose=_one_in(100, 1, "end-parent")) as cameras:
            cameras.run(8.0)
            ended = min(answer.done_s for answer in _asked(cameras, "end-parent"))
            after = [answer for answer in cameras.answers if answer.status == 200 and answer.sent_s > ended]
            run.expect(after, "nobody was answered any more")
            run.figures["outage_s"] = round(min((answer.done_s for answer in after), default=0.0) - ended, 2)
        run.allow(cut=16)  # at most the frame of each camera, and its next one, sent before the last front is gone
        run.expect(all(map(is_gone, family)), "processes outlived the supervisor")
        run.expect(_ready_again(run, parent.process.pid, first), "the next server is not ready")


def _ready_again(run: Run, present: int, first: int) -> bool:
    try:
        return present != first and os.getpgid(present) >= 0 and run.whole
    except (ProcessLookupError, httpx.HTTPError):
        return False
