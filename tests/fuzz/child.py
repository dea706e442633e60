"""The process in which mutants are decoded: it notes which one it has at hand, so that its death names a file.

Started as `python -m fuzz.child SEED NUMBER_FD`. Reads lines `FIRST COUNT` and answers each with one JSON line.
"""

from __future__ import annotations

import json
import mmap
import resource
import struct
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from typing import Any

import cv2

from tests.fuzz.mutate import mutant
from tests.fuzz.seeds import seeds
from workers.errors import FramemillError
from workers.gate import ImageLimits
from workers.pixels.encoded import decode_frame
from workers.pixels.scratch import Scratch

NUMBER = struct.Struct("<q")
_ADDRESS_SPACE_BYTES = 3 << 30
_SLOW_CPU_S = 1.0
_GREEDY_BYTES = 150 << 20  # the seeds are small: nothing made of them should need so much
# strict first, then as far as it goes: both ways are tried
_LENIENT = ImageLimits(formats=frozenset({"jpeg", "png", "bmp", "tiff", "webp"}), lenient=True)
_SCRATCH = Scratch()


def main(arguments: Sequence[str]) -> None:
    """Decode what standard input asks for."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE_BYTES, _ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    cv2.setNumThreads(1)
    seed, number_fd = map(int, arguments)
    at_hand = mmap.mmap(number_fd, NUMBER.size)
    for line in sys.stdin:
        first, count = map(int, line.split())
        answers: Counter[str] = Counter()
        findings: list[dict[str, Any]] = []
        for number in range(first, first + count):
            NUMBER.pack_into(at_hand, 0, number)
            answer, finding = _try(mutant(seeds(), seed, number))
            answers[answer] += 1
            if finding:
                findings.append({"number": number, "finding": finding})
        print(json.dumps({"answers": answers, "findings": findings}), flush=True)


def _try(file: bytes) -> tuple[str, str]:
    """Return what came of a file, and what is wrong with that; the latter is empty where all is well."""
    before_bytes = _peak_bytes()
    begun_s = time.process_time()
    try:
        image, damage, _ = decode_frame(memoryview(file), _LENIENT, _SCRATCH)
        answer = "decoded, damaged" if damage else "decoded"
        wrong = "" if image.ndim == 3 and image.shape[2] == 3 else f"its shape is {image.shape}"
    except FramemillError as refusal:
        answer, wrong = refusal.code, ""
    except Exception:  # noqa: BLE001 - whatever it is, it is a finding
        answer, wrong = "fault", traceback.format_exc()
    cpu_s = time.process_time() - begun_s
    grown_bytes = _peak_bytes() - before_bytes
    if cpu_s > _SLOW_CPU_S:
        wrong = wrong or f"it took {cpu_s:.2f} s of CPU"
    if grown_bytes > _GREEDY_BYTES:
        wrong = wrong or f"it took {grown_bytes >> 20} MiB"
    return answer, wrong


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(sys.argv[1:])
