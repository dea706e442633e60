"""The names of formats as projects write them, and how each may lie. This file imports no reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

LinearName = Literal[
    "code128", "code39", "code93", "codabar", "itf", "telepen", "ean13", "ean8", "upc_a", "upc_e",
    "databar", "databar_limited", "databar_expanded",
]  # fmt: skip
StackedName = Literal["pdf417", "micro_pdf417"]
MatrixName = Literal["qr", "micro_qr", "rmqr", "data_matrix", "aztec"]
FormatName = Literal[LinearName, StackedName, MatrixName]

LINEAR, STACKED, MATRIX = (frozenset(get_args(names)) for names in (LinearName, StackedName, MatrixName))

# as zxing-cpp calls them; what it calls otherwise is a variant of one of these
ZXING: Mapping[str, tuple[str, ...]] = {
    "code128": ("Code128",),
    "code39": ("Code39", "Code39Std", "Code39Ext", "Code32", "PZN"),
    "code93": ("Code93",),
    "codabar": ("Codabar",),
    "itf": ("ITF", "ITF14"),
    "telepen": ("Telepen", "TelepenAlpha", "TelepenNumeric"),
    "ean13": ("EAN13", "ISBN"),
    "ean8": ("EAN8",),
    "upc_a": ("UPCA",),
    "upc_e": ("UPCE",),
    "databar": ("DataBarOmni", "DataBarStk", "DataBarStkOmni"),
    "databar_limited": ("DataBarLtd",),
    "databar_expanded": ("DataBarExp", "DataBarExpStk"),
    "pdf417": ("PDF417", "CompactPDF417"),
    "micro_pdf417": ("MicroPDF417",),
    "qr": ("QRCode", "QRCodeModel1", "QRCodeModel2"),
    "micro_qr": ("MicroQRCode",),
    "rmqr": ("RMQRCode",),
    "data_matrix": ("DataMatrix",),
    "aztec": ("Aztec", "AztecCode", "AztecRune"),
}

_STACKED_TOO = frozenset({"databar", "databar_expanded"})


def stacked_of(names: Iterable[str]) -> tuple[str, ...]:
    """Return which of `names` have rows of bars over each other."""
    return tuple(name for name in names if name in STACKED or name in _STACKED_TOO)
