"""What a bench of another module looks like to the suite `inspection`."""

from __future__ import annotations


def measure() -> dict[str, float]:
    """Return its figures."""
    return {"widget_ms": 4.0}
