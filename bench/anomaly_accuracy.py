"""How well methods of the module `anomaly` tell good pictures from bad ones, and where. Prints a table; see `--help`.

    .venv/bin/python -m bench.anomaly_accuracy ../shared/data/tiles

The folder has `train_ok` (to learn from), `ok` and `defect` (to judge), and in `mask`, by the names of `defect`, where
the defects are; without `mask` only pictures are judged. AUROC is the share of pairs, one bad and one good, in which
the bad one has the higher score. PRO is the mean share of each defect that is found, over all rates of false pixels up
to 0.3. Times are CPU ms of one thread.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

if __name__ == "__main__":  # before numpy is imported: as in workers
    os.environ.update({"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"})

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from workers.modules.anomaly.backbone import backbone_for
from workers.modules.anomaly.methods import METHODS, method_of
from workers.modules.anomaly.score import score_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.modules.anomaly.method import Method

_PRO_FALSE = 0.3  # the rate of false pixels up to which PRO is taken
_GOAL_MS, _GOAL_S = 20, 60


@dataclass(frozen=True, slots=True)
class Decoded:
    """Pictures in memory, (h, w) grey or (h, w, 3) BGR uint8, as a method's `Pictures`."""

    images: Sequence[NDArray[np.uint8]]

    def __len__(self) -> int:
        return len(self.images)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        return iter(self.images)

    def some(self, chosen: Sequence[int]) -> Decoded:
        """Return those of these numbers."""
        return Decoded([self.images[each] for each in chosen])


@dataclass(frozen=True, slots=True)
class Surface:
    """What one folder has: `masks` belong to `bad`, (h, w) bool; none where nobody knows the places."""

    train: Decoded
    good: Sequence[NDArray[np.uint8]]
    bad: Sequence[NDArray[np.uint8]]
    masks: Sequence[NDArray[np.bool_]] | None

    @classmethod
    def read(cls, folder: Path) -> Surface:
        """Read `folder`."""
        bad = sorted((folder / "defect").iterdir())
        masks = None
        if (folder / "mask").is_dir():
            masks = [_decoded(folder / "mask" / f"{each.stem}.png", cv2.IMREAD_GRAYSCALE) > 127 for each in bad]
        train, good = ([_decoded(each) for each in sorted((folder / name).iterdir())] for name in ("train_ok", "ok"))
        return cls(Decoded(train), good, [_decoded(each) for each in bad], masks)


@dataclass(frozen=True, slots=True)
class Found:
    """What a method made of the pictures: their heat at full size, scores and times; `bad` come after `good`."""

    heats: Sequence[NDArray[np.float32]]
    scores: NDArray[np.float64]
    ms: Sequence[float]
    train_cpu_s: float
    train_wall_s: float
    kept_bytes: int


def auroc(good: NDArray[Any], bad: NDArray[Any]) -> float:
    """Return the share of pairs in which the bad one (m,) is higher than the good one (n,); equal ones count half."""
    good, bad = np.sort(good.ravel()), bad.ravel()
    below, upto = np.searchsorted(good, bad, "left"), np.searchsorted(good, bad, "right")
    return float((below.sum(dtype=np.float64) + upto.sum(dtype=np.float64)) / 2 / (good.size * bad.size))


def pro(heats: Sequence[NDArray[np.float32]], masks: Sequence[NDArray[np.bool_]]) -> float:
    """Return PRO of heat (h, w) and masks (h, w), those of good pictures empty: 0 to 1."""
    fine = np.sort(np.concatenate([heat[~mask] for heat, mask in zip(heats, masks, strict=True)]))
    rates = np.linspace(0, _PRO_FALSE, 301)[1:]
    limits = fine[np.maximum(fine.size - 1 - (rates * fine.size).astype(np.int64), 0)]
    shares = []
    for heat, mask in zip(heats, masks, strict=True):
        count, pieces = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
        for piece in range(1, count):
            inside = np.sort(heat[pieces == piece])
            shares.append(1 - np.searchsorted(inside, limits, "right") / inside.size)
    return float(np.mean(shares))


def tried(method: Method, surface: Surface, backbone: Path | None, seed: int = 0) -> Found:
    """Teach `method` and have it look at the pictures to judge, as restored from what it keeps."""
    wall, cpu = time.monotonic(), time.process_time()
    learned = method.learn(surface.train, seed, lambda *_: None, None, backbone)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    arrays = learned.arrays()
    again = method.restore(arrays, backbone)
    heats, scores, ms = [], [], []
    for image in (*surface.good, *surface.bad):
        begun = time.process_time()
        heat = again.heat(image, lambda: None)
        scores.append(score_of(heat))
        heats.append(cv2.resize(heat, image.shape[1::-1], interpolation=cv2.INTER_LINEAR))
        ms.append((time.process_time() - begun) * 1e3)
    kept = sum(each.nbytes for each in arrays.values())
    return Found(heats, np.array(scores), ms, cpu, wall, kept)  # type: ignore[arg-type]  # resize gives float32


def figures(found: Found, surface: Surface) -> dict[str, float]:
    """Return what is to be known of a method on a surface."""
    count = len(surface.good)
    good_scores, bad_scores = found.scores[:count], found.scores[count:]
    return {
        "image_auroc": auroc(good_scores, bad_scores),
        **_of_places(found, surface),
        "found_without_false_alarm": float((bad_scores > good_scores.max()).mean()),
        "ms": median(found.ms),
        "most_ms": max(found.ms),
        "train_cpu_s": found.train_cpu_s,
        "train_wall_s": found.train_wall_s,
        "kept_mb": found.kept_bytes / 1e6,
    }


def _of_places(found: Found, surface: Surface) -> dict[str, float]:
    if surface.masks is None:
        return {}
    masks = [*(np.zeros(each.shape[:2], bool) for each in surface.good), *surface.masks]
    bad = np.concatenate([heat[mask] for heat, mask in zip(found.heats, masks, strict=True)])
    fine = np.concatenate([heat[~mask] for heat, mask in zip(found.heats, masks, strict=True)])
    return {"pixel_auroc": auroc(fine, bad), "pro": pro(found.heats, masks)}


def measure(folder: Path, methods: Sequence[str] = tuple(METHODS), seed: int = 0) -> dict[str, dict[str, float]]:
    """Return the figures of each of `methods` on the surface in `folder`, by its name."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        surface = Surface.read(folder)
        with TemporaryDirectory() as kept:
            backbone = backbone_for(Path(kept))
            return {each: figures(tried(method_of(each), surface, backbone, seed), surface) for each in methods}
    finally:
        cv2.setNumThreads(threads)


def table(measured: Mapping[str, Mapping[str, float]]) -> Table:
    """Return the figures, a row for each method, and the better of each figure where there are several."""
    names = next(iter(measured.values()))
    made = Table("method", *(name.replace("_", " ") for name in names))
    for method, each in measured.items():
        made.add_row(method, *(_shown(name, value) for name, value in each.items()))
    if len(measured) > 1:
        best = max(measured, key=lambda method: measured[method]["image_auroc"])
        made.add_row(f"better: {best}", *(_shown(name, value) for name, value in measured[best].items()))
    return made


def _shown(name: str, value: float) -> str:
    return f"{value:.1f}" if name.endswith(("ms", "_s", "_mb")) else f"{value:.4f}"


def _decoded(path: Path, how: int = cv2.IMREAD_UNCHANGED) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), how)
    if image is None or image.dtype != np.uint8:
        sys.exit(f"{path} is no image of 8 bits")
    return image  # type: ignore[return-value]  # uint8


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", help="surfaces")
    parser.add_argument("--method", action="append", choices=METHODS, help="one of them; may be given again")
    parser.add_argument("--seed", type=int, default=0, help="of what is chosen by chance; default 0")
    given = parser.parse_args()
    console = Console(width=150)
    for folder in given.folders:
        measured = measure(folder, given.method or tuple(METHODS), given.seed)
        console.print(f"{folder.name} (goals: {_GOAL_MS} ms a picture, {_GOAL_S} s of training)")
        console.print(table(measured))


if __name__ == "__main__":
    main()
