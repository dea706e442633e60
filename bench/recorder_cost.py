"""What the recorder's database costs a frame: `python -m bench.recorder_cost`, CPU of this process alone.

Frames of three cameras with a context of six rectangles, three labels and four measured values, every tenth NOK,
written to SQLite in batches as the recorder has them: 20 at 100 frames/s, 200 at a thousand.
"""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from pathlib import Path
from statistics import median

import orjson

from service.history.marks import mark_of
from service.history.writing.store import Store
from service.results.record import Head, Record, Times, about_bytes

_BEGIN_NS = 1_800_000_000_000_000_000
_GAP_NS = 10_000_000


def main() -> None:
    """Print CPU microseconds a frame, the median of some runs, for each size of batch."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=4000)
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    for batch in (1, 20, 200, 1000):
        frames = min(chosen.frames, 400 * batch)
        costs = [_cost_us(batch, frames) for _ in range(chosen.runs)]
        print(f"batches of {batch:4}: {median(costs):6.1f} us of CPU a frame ({min(costs):.1f} to {max(costs):.1f})")


def _cost_us(batch: int, frames: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        store = Store.begin(Path(folder) / "history.sqlite", str(mark_of(os.getpid())), _BEGIN_NS)
        packed = [_packed(number) for number in range(1, frames + 1)]
        begun_s = time.process_time()
        for first in range(0, frames, batch):
            records = [
                Record.unpack(one, 0, first + place) for place, one in enumerate(packed[first : first + batch], start=1)
            ]
            store.write(records, None)
        cost_s = time.process_time() - begun_s
        store.close()
    return cost_s / frames * 1e6


def _packed(number: int) -> bytes:
    chance = random.Random(number)
    labels = ("scratch", "dent", "chip")
    rectangles = [
        {
            "id": place,
            "x": chance.randrange(600),
            "y": chance.randrange(440),
            "width": 30,
            "height": 20,
            "confidence": 0.9,
            "classNames": [{"id": place, "label": labels[place % 3], "confidence": 0.9, "color": "#ff0000"}],
            "source": {"modelId": 1, "moduleId": 2, "type": "DETECTOR"},
        }
        for place in range(6)
    ]
    measures = {
        name: {"value": chance.gauss(10, 0.02), "unit": "mm", "min": 9.9, "max": 10.1, "ok": True} for name in "abcd"
    }
    is_ok = number % 10 != 0
    context = {"result": is_ok, "score": 0.5, "detectedRectangles": rectangles, "measures": measures}
    context["imageShape"] = {"height": 480, "width": 640}
    times = Times(1000, 2000, 3000, 4000, 5000, 6000, chance.randrange(4_000_000, 40_000_000))
    head = Head(_BEGIN_NS + number * _GAP_NS, number % 16, 200, is_ok, 7, 921_600, times)
    about = about_bytes("10.0.0.9", ("top", "left", "right")[number % 3], str(number), "")
    return head.pack(about, b"", orjson.dumps(context))


if __name__ == "__main__":
    main()
