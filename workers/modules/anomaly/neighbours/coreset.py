"""Features of good pictures, few enough to be compared with all of a frame's within some ms: a coreset.

Features (n, features) are whitened: directions in which good ones differ little count as much as those in which they
differ greatly. Then each next one that is farthest from those that are chosen is chosen, too (greedy k-centre).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from workers.context.run import LookAtTime

DIRECTIONS = 64
SIZE = 1500  # with 64 directions of float32: 384 kB, which stays in the cache of a core

_ROWS = 128  # places whose distances are worked out at once: they stay in the cache, too
# of the largest: what never changes in good pictures is not blown up without limit
_LEAST_SPREAD = 1e-3
_LEAST_POWER = 1e-2


class Whitening(NamedTuple):
    """Makes features (n, features) comparable: their `centre` (features,) is taken away, then `turn` (features, m)."""

    centre: NDArray[np.float32]
    turn: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Whitening:
        """Return that of good features, (n, features)."""
        centre = features.mean(axis=0, dtype=np.float64)
        spread = features.std(axis=0, dtype=np.float64)
        spread = np.maximum(spread, max(float(spread.max()) * _LEAST_SPREAD, 1e-6))
        alike = np.asarray((features - centre) / spread, np.float32)
        together = np.asarray(alike.T @ alike, np.float64) / len(alike)
        powers, all_directions = np.linalg.eigh(together)
        most = slice(None, -1 - min(DIRECTIONS, len(powers)), -1)
        power, directions = np.maximum(powers[most], powers[-1] * _LEAST_POWER), all_directions[:, most].copy()
        # which way a direction points is the library's choice: the same everywhere is better for those who compare
        directions *= np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(len(power))])
        turn = directions / spread[:, None] / np.sqrt(power)
        return cls(centre.astype(np.float32), turn.astype(np.float32))

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return features (n, features) whitened, (n, m)."""
        white: NDArray[np.float32] = np.matmul(features - self.centre, self.turn)
        return white


class Coreset:
    """Chosen features (n, m), and what is near to them."""

    def __init__(self, chosen: NDArray[np.float32]) -> None:
        """`chosen` are whitened features, (n, m)."""
        self.chosen = chosen
        self._twice = np.ascontiguousarray(-2 * chosen.T)
        self._squares = np.einsum("ij,ij->i", chosen, chosen)
        self._products = np.empty((_ROWS, len(chosen)), np.float32)

    def distances(self, features: NDArray[np.float32], look_at_time: LookAtTime) -> NDArray[np.float32]:
        """Return how far each of `features`, (n, m), is from the nearest chosen one: (n,)."""
        nearest = np.empty(len(features), np.float32)
        for begin in range(0, len(features), _ROWS):
            part = features[begin : begin + _ROWS]
            products = self._products[: len(part)]
            np.matmul(part, self._twice, out=products)
            products += self._squares
            nearest[begin : begin + len(part)] = products.min(axis=1)
            look_at_time()
        nearest += np.einsum("ij,ij->i", features, features)
        far: NDArray[np.float32] = np.sqrt(np.maximum(nearest, 0) / np.float32(features.shape[1]))
        return far


def choose(
    features: NDArray[np.float32],
    count: int,
    seed: int,
    tell: Callable[[float], None],
    known: NDArray[np.float32] | None = None,
) -> NDArray[np.intp]:
    """Return the numbers of up to `count` of `features`, (n, m), each the farthest from those before it.

    With `known` ones, (k, m), it begins with the farthest from these, else with one by chance. It ends where the rest
    is among those that were chosen.
    """
    squares = np.einsum("ij,ij->i", features, features)
    if known is None:
        apart = np.full(len(features), np.inf, np.float32)
        next_one = int(np.random.default_rng(seed).integers(len(features)))
    else:
        apart = Coreset(known).distances(features, lambda: None) ** 2 * np.float32(features.shape[1])
        next_one = int(apart.argmax())
    chosen: list[int] = []
    enough = float(squares.mean()) * 1e-6
    while len(chosen) < min(count, len(features)):
        chosen.append(next_one)
        other = features[next_one]
        np.minimum(apart, squares + squares[next_one] - 2 * (features @ other), out=apart)
        next_one = int(apart.argmax())
        if apart[next_one] <= enough:
            break
        tell(len(chosen) / count)
    return np.array(chosen, np.intp)
