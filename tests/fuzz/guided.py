"""The gate under atheris, which finds by coverage what blind changes do not. Optional: `pip install atheris`.

Run it with `python -m tests.fuzz.guided -max_total_time=300`; the arguments are libFuzzer's. An input that
raises anything but a refusal ends it and is written to a file `crash-...`.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

from tests.fuzz.seeds import seeds


def main(arguments: list[str]) -> None:
    """Run until libFuzzer's limits, from the seeds on."""
    try:
        atheris = importlib.import_module("atheris")
    except ModuleNotFoundError:
        sys.exit("atheris is not installed; it is optional: pip install atheris")
    with atheris.instrument_imports(include=["workers.gate", "workers.mending"]):
        gate = importlib.import_module("workers.gate")
        mend = importlib.import_module("workers.mending.mend").mend
        errors = importlib.import_module("workers.errors")
    limits = gate.ImageLimits(formats=frozenset({"jpeg", "png", "bmp", "tiff", "webp"}), lenient=True)

    def look(data: bytes) -> None:
        for step in (gate.inspect, mend):
            try:
                step(memoryview(data), limits)
            except errors.FramemillError:
                continue

    with tempfile.TemporaryDirectory() as corpus:
        for number, file in enumerate(seeds()):
            (Path(corpus) / str(number)).write_bytes(file)
        atheris.Setup([sys.argv[0], *arguments, f"-artifact_prefix={Path.cwd()}{os.sep}", corpus], look)
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
