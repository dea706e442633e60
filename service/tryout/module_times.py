"""Where a project's time goes, module by module: what `framemill bench --modules` measures and prints."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import orjson

from service.trial.machine import machine
from service.tryout.inspecting import Trial, begin
from workers.programs.try_pool import Tried, TryPool
from workers.text import Told, printable
from workers.trying.try_messages import Frame

if TYPE_CHECKING:
    from workers.flow.project import Step

_LEAST_FRAMES = 60  # fewer have no p95
_LONGEST_S = 20.0  # then those that there are must do
_WIDEST = 40

HEAD = "  id  {:{width}}  frames  median ms    p95 ms   total ms  share"


class CannotBeInspected(Exception):
    """A frame has no answer, or its flow fails; the text says which and why."""


@dataclass(slots=True)
class Part:
    """One line: a module, or what is done beside modules (`id` 0). `ms` is what it took of each frame that it saw."""

    id: int
    name: str
    depth: int = 0
    ms: list[float] = field(default_factory=list)

    @property
    def total_ms(self) -> float:
        """Of all frames together."""
        return math.fsum(self.ms)

    @property
    def p95_ms(self) -> float:
        """Nineteen of twenty frames took no longer."""
        return sorted(self.ms)[math.ceil(0.95 * len(self.ms)) - 1] if self.ms else 0.0

    @property
    def median_ms(self) -> float:
        """Half of the frames took no longer."""
        return median(self.ms) if self.ms else 0.0


class ModuleTimes:
    """What was measured so far: the parts of a frame's time, in the order in which it meets them."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.frames = 0
        self._decoding, self._rest, self._answer = Part(0, "decoding"), Part(0, "around"), Part(0, "answer")
        self._modules = {part.id: part for part in _parts(steps, 0)}

    @property
    def parts(self) -> list[Part]:
        """All lines."""
        return [self._decoding, *self._modules.values(), self._rest, self._answer]

    @property
    def total_ms(self) -> float:
        """Of all frames; what is in a block is in the block."""
        return math.fsum(part.total_ms for part in self.parts if not part.depth)

    def add(self, tried: Tried, name: Path) -> None:
        """Take one more frame; raises CannotBeInspected."""
        if tried.error:
            msg = f"{printable(name)}: {tried.error}"
            raise CannotBeInspected(msg)
        context = orjson.loads(tried.context)
        if context["error"]:
            msg = f"{printable(name)}: the flow fails: {_first(context['errors'])}"
            raise CannotBeInspected(msg)
        in_modules_ms = 0.0
        for timing in context.get("timings", ()):
            part = self._modules[timing["moduleId"]]
            part.ms.append(timing["ms"])
            in_modules_ms += 0 if part.depth else timing["ms"]
        self._decoding.ms.append(tried.decode_ms)
        self._rest.ms.append(max(0.0, tried.flow_ms - in_modules_ms))
        self._answer.ms.append(tried.encode_ms)
        self.frames += 1

    def lines(self) -> Iterator[str]:
        """Yield the table."""
        shown = [(part, f"{'  ' * part.depth}{part.name}"[:_WIDEST]) for part in self.parts]
        width = max(6, *(len(name) for _, name in shown))
        yield HEAD.format("module", width=width)
        total_ms = self.total_ms or 1.0
        for part, name in shown:
            numbers = (
                f"{part.median_ms:9.2f}  {part.p95_ms:8.2f}  {part.total_ms:9.1f}  {part.total_ms / total_ms:5.1%}"
            )
            yield f"{part.id or '':>4}  {name:{width}}  {len(part.ms):6}  {numbers}"
        yield f"{'':4}  {'all':{width}}  {self.frames:6}  {'':9}  {'':8}  {self.total_ms:9.1f}"

    def document(self, trial: Trial) -> str:
        """Return everything as JSON, units in the names."""
        total_ms = self.total_ms or 1.0
        parts = [
            {
                **{key: value for key, value in asdict(part).items() if key != "ms"},
                "frames": len(part.ms),
                "median_ms": part.median_ms,
                "p95_ms": part.p95_ms,
                "total_ms": part.total_ms,
                "share": part.total_ms / total_ms,
            }
            for part in self.parts
        ]
        content = {
            "project": trial.project.name,
            "version": trial.version,
            "frames": self.frames,
            "total_ms": self.total_ms,
            "parts": parts,
            "machine": machine(),
        }
        return orjson.dumps(content, option=orjson.OPT_INDENT_2).decode()


def measure(
    trial: Trial, files: Sequence[Path], told: Told, progress: Callable[[Iterable[Tried], int], Iterator[Tried]]
) -> ModuleTimes:
    """Inspect the files again and again in one process, as a worker does; what comes first warms it up.

    `progress` is handed what is to come, and how many frames that is.

    Raises:
        CannotBeInspected: one of them has no answer.
        ProjectInvalid: the project cannot be loaded; the message says why.
        OSError: the machine refuses a process.
    """
    times = ModuleTimes(trial.project.steps)
    frames = [Frame(str(path.absolute()), told.of(path)) for path in files]
    with TryPool(begin(trial), 1) as pool:
        once = ModuleTimes(trial.project.steps)
        for tried in progress(pool.run(frames), len(frames)):
            once.add(tried, files[tried.number])
        rounds = max(1, min(math.ceil(_LEAST_FRAMES / len(files)), int(_LONGEST_S * 1000 / max(once.total_ms, 1.0))))
        for tried in progress(pool.run(frames * rounds), len(frames) * rounds):
            times.add(tried, files[tried.number % len(files)])
    return times


def _parts(steps: Sequence[Step], depth: int) -> Iterator[Part]:
    for step in steps:
        if step.options.enabled:
            yield Part(step.id, step.options.title, depth)
            for branch in step.branches:
                yield from _parts(branch, depth + 1)


def _first(errors: Sequence[dict[str, str | int | None]]) -> str:
    entry = errors[0]
    where = f" ({entry['file']}, line {entry['line']})" if entry.get("file") and entry.get("line") else ""
    return f"{entry.get('message')}{where}"
