"""How long frames took from request to answer: percentiles of bins that are a fifth wide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from service.statistics.pieces import added_up

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from service.statistics.asked import Wanted

_PERCENTILES = (("p50_ms", 0.5), ("p90_ms", 0.9), ("p99_ms", 0.99), ("p999_ms", 0.999))


class Took(NamedTuple):
    """How many frames took from `from_ms` on and less than `until_ms`."""

    from_ms: float
    until_ms: float
    frames: int


def took_of(connection: Connection, wanted: Wanted) -> list[Took]:
    """Return the bins that have frames, in their order."""
    found = added_up(connection, wanted, "took", ("bin",), ("count",))
    return [Took(_edge_ms(number), _edge_ms(number + 1), count) for (number,), (count,) in sorted(found.items())]


def percentile_ms(bins: list[Took], share: float) -> float | None:
    """Return the time that this share of frames was done in; within a bin they lie evenly, in steps of a factor."""
    total = sum(one.frames for one in bins)
    rest = share * total
    for one in bins:
        if rest <= one.frames:
            return one.from_ms * float((one.until_ms / one.from_ms) ** (rest / one.frames))
        rest -= one.frames
    return None


def document_of(bins: list[Took], took_ns: int) -> dict[str, Any]:
    """Return it as JSON has it."""
    total = sum(one.frames for one in bins)
    found: dict[str, Any] = {name: percentile_ms(bins, share) for name, share in _PERCENTILES}
    found["mean_ms"] = took_ns / total / 1e6 if total else None
    found["bins"] = [one._asdict() for one in bins]
    return found


def _edge_ms(number: int) -> float:
    return float(2 ** (number / 4)) / 1000
