"""A campaign: children decode mutants in blocks; deaths, hangs and what was slow or greedy are kept with their bytes.

In its folder: `state.json` says how far it came, each finding is `NUMBER.bin` with `NUMBER.txt` beside it.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import selectors
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.child import NUMBER
from tests.fuzz.mutate import mutant
from tests.fuzz.seeds import seeds

_TESTS = Path(__file__).resolve().parent.parent
_BLOCK = 250  # mutants between two reports: about a second
_HANG_S = 60.0


@dataclass
class Tally:
    """What came of the mutants so far."""

    done: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    findings: dict[int, str] = field(default_factory=dict)


class _Child:
    """One process and the block that it has."""

    def __init__(self, seed: int) -> None:
        fd = os.memfd_create("fuzz")
        os.ftruncate(fd, NUMBER.size)
        self._at_hand = mmap.mmap(fd, NUMBER.size)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fuzz.child", str(seed), str(fd)],
            env={**os.environ, "PYTHONPATH": f"{_TESTS}:{_TESTS.parent}", "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # the decoders' own words
            pass_fds=[fd],
            text=True,
            bufsize=1,
        )
        os.close(fd)
        self.block = range(0)
        self.seen_number = -1
        self.seen_at_s = time.monotonic()

    @property
    def number(self) -> int:
        """The mutant at hand."""
        return int(NUMBER.unpack_from(self._at_hand)[0])

    def give(self, block: range) -> None:
        """Hand over a block."""
        self.block = block
        NUMBER.pack_into(self._at_hand, 0, block.start)
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it has just died: its output will end
            self.process.stdin.write(f"{block.start} {len(block)}\n")

    def hangs(self) -> bool:
        """Tell whether the mutant at hand has been there for too long."""
        if self.number != self.seen_number:
            self.seen_number, self.seen_at_s = self.number, time.monotonic()
        return time.monotonic() - self.seen_at_s > _HANG_S

    def end(self) -> int:
        """Let it go and return its exit status."""
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return self.process.wait()


class Campaign:
    """Runs the mutants 0 to `mutants` of `seed`, from where `folder` says that it was left."""

    def __init__(self, folder: Path, seed: int, mutants: int, jobs: int) -> None:
        self._folder = folder
        self._seed = seed
        self._mutants = mutants
        self._jobs = jobs
        folder.mkdir(parents=True, exist_ok=True)
        self.tally, self._waiting = self._load()
        self._selector = selectors.DefaultSelector()

    def run(self, show: Callable[[Tally], None]) -> Tally:
        """Run to the end; `show` is told after each block."""
        try:
            for _ in range(self._jobs):
                self._start()
            while self._selector.get_map():
                for key, _ in self._selector.select(1.0):
                    self._read(key.data)
                    show(self.tally)
                for child in [child for child in self._children() if child.hangs()]:
                    child.process.kill()
        finally:
            self._save()
            for child in self._children():
                child.process.kill()
                child.end()
        return self.tally

    def pids(self) -> list[int]:
        """Return the process ids of the children."""
        return [child.process.pid for child in self._children()]

    def _children(self) -> list[_Child]:
        return [key.data for key in self._selector.get_map().values()]

    def _start(self) -> None:
        child = _Child(self._seed)
        assert child.process.stdout is not None
        self._selector.register(child.process.stdout, selectors.EVENT_READ, child)
        self._next(child)

    def _next(self, child: _Child) -> None:
        if not self._waiting:
            assert child.process.stdout is not None
            self._selector.unregister(child.process.stdout)
            child.end()
            return
        block = self._waiting.pop(0)
        if len(block) > _BLOCK:
            self._waiting.insert(0, block[_BLOCK:])
        child.give(block[:_BLOCK])

    def _read(self, child: _Child) -> None:
        assert child.process.stdout is not None
        line = child.process.stdout.readline()
        if not line:
            self._on_death(child)
            return
        report: dict[str, Any] = json.loads(line)
        self.tally.done += len(child.block)
        self.tally.answers.update(report["answers"])
        for finding in report["findings"]:
            self._keep(finding["number"], finding["finding"])
        child.block = range(0)
        self._save()
        self._next(child)

    def _on_death(self, child: _Child) -> None:
        number = child.number
        hung = child.hangs()
        assert child.process.stdout is not None
        self._selector.unregister(child.process.stdout)
        status = child.end()
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        self._keep(number, f"it hung for {_HANG_S:g} s" if hung else f"the process ended by {how}")
        self.tally.done += 1
        self.tally.answers["death"] += 1
        # what came before it in its block is done once more, since the report is lost
        parts = (range(child.block.start, number), range(number + 1, child.block.stop))
        self._waiting[:0] = [part for part in parts if part]
        self._start()

    def _keep(self, number: int, finding: str) -> None:
        self.tally.findings[number] = finding
        (self._folder / f"{number}.bin").write_bytes(mutant(seeds(), self._seed, number))
        (self._folder / f"{number}.txt").write_text(f"mutant {number} of seed {self._seed}: {finding}\n")

    def _save(self) -> None:
        """Write how far it came; what children have at hand is still to do."""
        left = [*self._waiting, *(child.block for child in self._children() if child.block)]
        state = {
            "seed": self._seed,
            "left": [[block.start, block.stop] for block in left],
            "end": self._mutants,
            "done": self.tally.done,
            "answers": self.tally.answers,
            "findings": self.tally.findings,
        }
        unfinished = self._folder / "state.json.new"
        unfinished.write_text(json.dumps(state))
        unfinished.replace(self._folder / "state.json")

    def _load(self) -> tuple[Tally, list[range]]:
        path = self._folder / "state.json"
        state = json.loads(path.read_text()) if path.exists() else {}
        if state.get("seed") != self._seed:
            return Tally(), [range(self._mutants)]
        findings = {int(number): finding for number, finding in state["findings"].items()}
        left = [range(start, stop) for start, stop in state["left"]]
        if self._mutants > state["end"]:
            left.append(range(state["end"], self._mutants))
        self._mutants = max(self._mutants, state["end"])
        return Tally(state["done"], Counter(state["answers"]), findings), left
