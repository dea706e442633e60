"""The methods that there are, a line each: the name that `framemill train --method` takes, and where it is."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from workers.modules.anomaly.method import Method

METHODS: Mapping[str, str] = {
    "neighbours": "workers.modules.anomaly.neighbours.neighbours",
    "filters": "workers.modules.anomaly.filters.learned",
    "both": "workers.modules.anomaly.both.learned",
}

COMPARED: tuple[str, ...] = ("neighbours", "filters")
"""Those that `train` compares where none is asked for; `both` learns as long as these together."""

WITH_BACKBONE = frozenset({"neighbours", "both"})
"""Those that look through an ONNX file of features."""


def method_of(name: str) -> Method:
    """Return the method of that name, one of METHODS; its Python module is imported."""
    return cast("Method", importlib.import_module(METHODS[name]))
