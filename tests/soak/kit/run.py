"""One chaos run: a server under cameras while something bad happens, and the invariants I1 to I6 at its end.

::

    serve -> cameras for a while (what is normal) -> census -> cameras and the fault -> census -> judge

I1 identity: no answer is another frame's. I2 answer: every frame gets one, by its deadline and 250 ms. I3 leak: the
census 5 s after is the one before. I5 bystanders: p99 at most doubles, or grows by 50 ms. I6: no secret in answers
and log. All are looked at, then all that is broken is said at once, behind the figures.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.soak.kit.cameras import Answer, Cameras
from tests.soak.kit.census import Census, take_census
from tests.soak.kit.project import soak_project
from tests.soak.kit.report import quantile_ms, report, summary
from tests.soak.kit.secrets import API_KEY, STOP_KEY, secrets_in_log
from tests.support.running import Server, serving

_WARM_S = 6.0
_ANSWER_S = 0.25
_CALM_S = 5.0
_BYSTANDER_MS = 50.0
_KIB_PER_100_FAULTS = 1024
_NORMAL_KIB = 10 * 1024


@dataclass(slots=True)
class Run:
    """A run that goes on. `deadline_s` is the server's; what is found broken is kept until the end."""

    server: Server
    deadline_s: float
    normal: list[Answer] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    allowed: Counter[str] = field(default_factory=Counter)
    before: Census | None = None
    faults: int = 0

    @contextmanager
    def cameras(self, **chosen: Any) -> Iterator[Cameras]:
        """Cameras of this server until the end of the block; then their answers are judged."""
        cameras = Cameras(self.server.port, key=API_KEY, **chosen)
        try:
            with cameras:
                yield cameras
        finally:
            self.judge(cameras.answers)

    def client(self) -> httpx.Client:
        """A client that knows the key."""
        return self.server.client(**{"X-API-Key": API_KEY})

    def status(self) -> dict[str, Any]:
        """What /api/v1/status says."""
        with self.client() as client:
            found: dict[str, Any] = client.get("/api/v1/status").raise_for_status().json()
            return found

    @property
    def supervisor(self) -> int:
        """Its process id."""
        return self.server.process.pid

    @property
    def whole(self) -> bool:
        """Whether the wanted number of workers can take frames, and the fronts answer."""
        try:
            workers = self.status()["workers"]
        except httpx.HTTPError:
            return False
        return bool(workers["ready"] >= workers["wanted"])

    def expect(self, condition: object, said: str) -> None:
        """Note it as broken where the condition does not hold."""
        if not condition:
            self.broken.append(said)

    def allow(self, **counts: int) -> None:
        """Allow so many answers of a code, or frames lost in a way, on top of those that are 200."""
        self.allowed.update(counts)

    def judge(self, answers: Sequence[Answer]) -> None:
        """Hold I1, I2 and I6 against these answers, and keep them for the figures."""
        self.answers += answers
        wrong = [answer.wrong for answer in answers if answer.wrong]
        self.expect(not wrong, f"I1: {len(wrong)} answers are another frame's, as {wrong[:1]}")
        late = [answer for answer in answers if answer.took_s > self.deadline_s + _ANSWER_S]
        self.expect(not late, f"I2: {len(late)} answers came past the deadline, as {late[:1]}")
        told = {answer.told for answer in answers if answer.told}
        self.expect(not told, f"I6: answers hold {sorted(told)}")

    def finish(self) -> None:
        """Judge what can be judged only when all is over."""
        self.check_losses()
        self._census()
        bystanders = [answer for answer in self.answers if answer.status == 200 and answer.asked == "mark"]
        usual_ms, now_ms = quantile_ms(self.normal, 0.99), quantile_ms(bystanders, 0.99)
        bound_ms = max(2 * usual_ms, usual_ms + _BYSTANDER_MS)
        self.expect(not self.normal or now_ms <= bound_ms, f"I5: p99 {now_ms} ms, {usual_ms} ms before")

    def check_losses(self) -> None:
        """Hold what was not answered with 200 against what is allowed."""
        unexpected = Counter(a.lost or a.code or str(a.status) for a in self.answers if a.status != 200) - self.allowed
        errors = [(answer.error, answer.sent_s, answer.took_s) for answer in self.answers if answer.error]
        self.expect(not unexpected, f"I2: more than allowed: {dict(unexpected)} {errors[:3]}")

    def _census(self) -> None:
        assert self.before is not None
        allowed_kib = _NORMAL_KIB + _KIB_PER_100_FAULTS * self.faults // 100
        give_up_s = time.monotonic() + _CALM_S
        while grown := take_census(self.server.process.pid).grown_since(self.before, allowed_kib=allowed_kib):
            if time.monotonic() > give_up_s:
                self.broken.append(f"I3: {'; '.join(grown)}")
                return
            time.sleep(0.1)  # counted from outside: there is no event to wait for


@contextmanager
def chaos(
    scenario: str,
    folder: Path,
    *arguments: str,
    deadline_ms: int = 5000,
    work_s: float = 0.02,
    load_s: float = 0.05,
    env: Mapping[str, str] | None = None,
    toml: str = "",
    census: bool = True,
) -> Iterator[Run]:
    """Serve the soak project, find out what is normal, and judge what happened at the end of the block."""
    project = soak_project(folder / "soak", work_s=work_s, load_s=load_s, toml=toml)
    settings = {"FRAMEMILL_DEADLINE_MS": str(deadline_ms), "FRAMEMILL_API_KEY": API_KEY, **(env or {})}
    with serving(project, "--stop-key", STOP_KEY, *arguments, env=settings) as server:
        run = Run(server, deadline_ms / 1000)
        with run.cameras() as cameras:
            run.normal = cameras.run(_WARM_S)
        run.answers.clear()
        run.before = take_census(server.process.pid)
        try:
            yield run
            if census:
                run.finish()
        finally:
            figures = {**run.figures, **summary(run.answers), "p99_ms_before": quantile_ms(run.normal, 0.99)}
            run.expect(not (told := secrets_in_log(server.log)), f"I6: the log holds {told[:3]}")
            report(scenario, figures, run.broken)
    assert not run.broken, "\n".join([scenario, *run.broken, str(figures)])
