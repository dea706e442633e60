"""A small classifier: one hidden layer that tells strange places from good ones, trained with Adam in numpy.

Half of the hidden layer is left out at random in each step (N. Srivastava and others, "Dropout", 2014), so that no
single number decides: pictures that come later never look quite like those that were learned from. What is kept is a
running mean of the weights, from the round in which it did best on places that were held out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, pi, sqrt

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float32]

HIDDEN = 64
_ROUNDS = 40
_PATIENCE = 5
_BATCH = 512
_RATE = 2e-3
_LEAST_RATE = 0.05  # of it, in the last round
_DECAY = 0.01
_LEFT_OUT = 0.5
_FIRST_MOMENT, _SECOND_MOMENT, _RUNNING = np.float32(0.1), np.float32(0.001), np.float32(0.01)
_TINY = np.float32(1e-8)
_BETTER = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Places to learn from: `numbers` is (n, m) float32, m of each of n places; `strange` (n,) float32, 1 or 0."""

    numbers: _Floats
    strange: _Floats

    def __len__(self) -> int:
        return len(self.numbers)

    def some(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> Places:
        """Return those of these numbers, or where `chosen`, 1-D, is true."""
        return Places(self.numbers[chosen], self.strange[chosen])

    @classmethod
    def together(cls, parts: Sequence[Places]) -> Places:
        """Return all of `parts`."""
        return cls(np.concatenate([each.numbers for each in parts]), np.concatenate([each.strange for each in parts]))


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """Its weights, float32: `hidden` (m, h), `hidden_bias` (h,), `last` (h, 1), `last_bias` (1,)."""

    hidden: _Floats
    hidden_bias: _Floats
    last: _Floats
    last_bias: _Floats

    def log_odds(self, numbers: _Floats) -> _Floats:
        """Return how sure it is that places are strange, 1-D float32; `numbers`, (m, n) float32, are m of n places."""
        active = self.hidden.T @ numbers
        active += self.hidden_bias[:, None]
        np.maximum(active, 0, out=active)
        odds: _Floats = (self.last.T @ active)[0] + self.last_bias[0]
        return odds

    @property
    def weights(self) -> list[_Floats]:
        """All of them, the biases 1-D."""
        return [self.hidden, self.hidden_bias, self.last, self.last_bias]


def untrained(numbers: int, rng: np.random.Generator) -> Classifier:
    """Return one that knows nothing, for places of so many numbers."""
    hidden = rng.standard_normal((numbers, HIDDEN), np.float32) * np.float32(sqrt(2 / numbers))
    last = rng.standard_normal((HIDDEN, 1), np.float32) * np.float32(sqrt(2 / HIDDEN))
    return Classifier(hidden, np.zeros(HIDDEN, np.float32), last, np.zeros(1, np.float32))


def trained(
    begin: Classifier, learn: Places, held_out: Places, rng: np.random.Generator, tell: Callable[[float], None]
) -> Classifier:
    """Return `begin` trained with `learn`, as it did best on `held_out`; `tell` hears which share is done."""
    adam = _Adam(begin.weights)
    held_numbers = np.ascontiguousarray(held_out.numbers.T)
    best, least, worse = begin, _loss(begin.log_odds(held_numbers), held_out.strange), 0
    batch = min(_BATCH, len(learn))
    for number in range(_ROUNDS):
        tell(number / _ROUNDS)
        rate = _RATE * (_LEAST_RATE + (1 - _LEAST_RATE) * (1 + cos(pi * number / _ROUNDS)) / 2)
        order = rng.permutation(len(learn))
        for start in range(0, len(learn) - batch + 1, batch):
            chosen = learn.some(order[start : start + batch])
            adam.step(_slopes(adam.weights, chosen, rng), rate)
        now = Classifier(*(each.copy() for each in adam.running))
        loss = _loss(now.log_odds(held_numbers), held_out.strange)
        if loss < least - _BETTER:
            best, least, worse = now, loss, 0
        else:
            worse += 1
            if worse == _PATIENCE:
                break
    tell(1.0)
    return best


class _Adam:
    """Steps of D. P. Kingma and J. Ba, "Adam", 2015, with weights that decay, and their running mean."""

    def __init__(self, weights: Sequence[_Floats]) -> None:
        self.weights = [each.copy() for each in weights]
        self.running = [each.copy() for each in weights]
        self._first = [np.zeros_like(each) for each in weights]
        self._second = [np.zeros_like(each) for each in weights]
        self._steps = 0

    def step(self, slopes: Sequence[_Floats], rate: float) -> None:
        """Go down the slopes."""
        self._steps += 1
        unbiased = sqrt(1 - (1 - float(_SECOND_MOMENT)) ** self._steps) / (
            1 - (1 - float(_FIRST_MOMENT)) ** self._steps
        )
        kept = zip(self.weights, self.running, self._first, self._second, slopes, strict=True)
        for weights, running, first, second, slope in kept:  # each in place
            first[...] += _FIRST_MOMENT * (slope - first)
            second[...] += _SECOND_MOMENT * (slope * slope - second)
            weights[...] -= np.float32(rate * unbiased) * first / (np.sqrt(second) + _TINY)
            if weights.ndim == 2:
                weights[...] *= np.float32(1 - rate * _DECAY)
            running[...] += _RUNNING * (weights - running)


def _slopes(weights: Sequence[_Floats], places: Places, rng: np.random.Generator) -> list[_Floats]:
    """Return how the loss of these places changes with each of the weights."""
    hidden, hidden_bias, last, last_bias = weights
    before = places.numbers @ hidden + hidden_bias
    kept = rng.random(before.shape, np.float32) >= _LEFT_OUT
    passes = ((before > 0) & kept) * np.float32(1 / (1 - _LEFT_OUT))
    active = before * passes
    odds = (active @ last)[:, 0] + last_bias[0]
    error = ((_chance(odds) - places.strange) / np.float32(len(places)))[:, None]
    back = (error @ last.T) * passes
    return [places.numbers.T @ back, back.sum(axis=0), active.T @ error, error.sum(axis=0)]


def _chance(odds: _Floats) -> _Floats:
    return np.float32(0.5) * (1 + np.tanh(odds / 2))


def _loss(odds: _Floats, strange: _Floats) -> float:
    return float(np.logaddexp(0, np.where(strange > 0, -odds, odds)).mean())
