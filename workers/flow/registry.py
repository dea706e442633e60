"""The kinds of modules that there are: ours, a row each, and those of installed packages.

A package adds some by entry points of the group `framemill.modules`: the name that projects use, and where a ModuleKind
is found (docs/modules.md). Ours are imported once they are asked for: most projects have a few. This file imports
neither OpenCV nor numpy; what it loads of other packages may.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from workers.modules.kind import ModuleKind

_log = logging.getLogger(__name__)

GROUP = "framemill.modules"


def _ours(folder: str, options: str, **more: Any) -> ModuleKind:
    package = f"workers.modules.{folder}"
    return ModuleKind(f"{package}.options:{options}", f"{package}.module", **more)


OURS: Mapping[str, ModuleKind] = {
    "anomaly": _ours("anomaly", "AnomalyOptions", source_type="UNSUPERVISED"),
    "blobs": _ours("blobs", "BlobsOptions", source_type="DETECTOR"),
    "brightness": _ours("brightness", "BrightnessOptions"),
    "classifier": _ours("classifier", "ClassifierOptions", source_type="CLASSIFIER"),
    "code": _ours("code", "CodeOptions", runs_user_code=True),
    "codes": _ours("codes", "CodesOptions", source_type="DETECTOR"),
    "color": _ours("color", "ColorOptions", source_type="CLASSIFIER"),
    "detector": _ours("detector", "DetectorOptions", source_type="DETECTOR"),
    "mask": _ours("mask", "MaskOptions"),
    "measure": _ours("measure", "MeasureOptions"),
    "ocr": _ours("ocr", "OcrOptions", source_type="OCR"),
    "only_if": _ours("only_if", "OnlyIfOptions"),
    "parallel": _ours("parallel", "ParallelOptions"),
    "preprocess": _ours("preprocess", "PreprocessOptions"),
    "reference": _ours("reference", "ReferenceOptions", source_type="UNSUPERVISED"),
    "segmentation": _ours("segmentation", "SegmentationOptions", source_type="SUPERVISED"),
    "shape": _ours("shape", "ShapeOptions", source_type="DETECTOR"),
    "sharpness": _ours("sharpness", "SharpnessOptions"),
    "unify": _ours("unify", "UnifyOptions"),
}


@dataclass(frozen=True, slots=True)
class Registry:
    """All kinds by the name that projects use; `unusable` are names of installed ones with the reason."""

    kinds: Mapping[str, ModuleKind]
    unusable: Mapping[str, str] = field(default_factory=dict)

    def warn(self, named: set[str]) -> None:
        """Warn of what cannot be used, unless the project has named it: there it is a mistake."""
        for name, why in self.unusable.items():
            if name not in named:
                _log.warning("the module %s cannot be used: %s", name, why)


@cache
def registry() -> Registry:
    """Return what is there; it is looked for once in a process."""
    kinds, unusable = dict(OURS), {}
    for point in entry_points(group=GROUP):
        package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
        if point.name in kinds:
            unusable[point.name] = f"the installed package {package} has one of a name that is taken: {point.name}"
            continue
        try:
            kinds[point.name] = _loaded(point)
        except Exception as error:  # noqa: BLE001 - a package of somebody else's may raise anything
            why = " ".join(f"{type(error).__name__}: {error}".split())
            unusable[point.name] = f"the installed package {package} cannot be imported: {why}"
    return Registry(kinds, unusable)


def _loaded(point: EntryPoint) -> ModuleKind:
    kind = point.load()
    if not isinstance(kind, ModuleKind):
        msg = f"{point.value} is a {type(kind).__name__}, expected a ModuleKind"
        raise TypeError(msg)
    return kind
