"""The kinds of modules that there are: ours, a row each, and those of installed packages.

A package adds some by entry points of the group `framemill.modules`: the name that projects use, and where a ModuleKind
is found (docs/modules.md). This file imports neither OpenCV nor numpy; what it loads of other packages may.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from workers.modules.anomaly.options import AnomalyOptions
from workers.modules.blobs.options import BlobsOptions
from workers.modules.brightness.options import BrightnessOptions
from workers.modules.classifier.options import ClassifierOptions
from workers.modules.code.options import CodeOptions
from workers.modules.codes.options import CodesOptions
from workers.modules.color.options import ColorOptions
from workers.modules.detector.options import DetectorOptions
from workers.modules.kind import ModuleKind
from workers.modules.mask.options import MaskOptions
from workers.modules.measure.options import MeasureOptions
from workers.modules.only_if.options import OnlyIfOptions
from workers.modules.parallel.options import ParallelOptions
from workers.modules.preprocess.options import PreprocessOptions
from workers.modules.reference.options import ReferenceOptions
from workers.modules.segmentation.options import SegmentationOptions
from workers.modules.shape.options import ShapeOptions
from workers.modules.sharpness.options import SharpnessOptions
from workers.modules.unify.options import UnifyOptions

_log = logging.getLogger(__name__)

GROUP = "framemill.modules"

OURS: Mapping[str, ModuleKind] = {
    "anomaly": ModuleKind(AnomalyOptions, "workers.modules.anomaly.module", source_type="UNSUPERVISED"),
    "blobs": ModuleKind(BlobsOptions, "workers.modules.blobs.module", source_type="DETECTOR"),
    "brightness": ModuleKind(BrightnessOptions, "workers.modules.brightness.module"),
    "classifier": ModuleKind(ClassifierOptions, "workers.modules.classifier.module", source_type="CLASSIFIER"),
    "code": ModuleKind(CodeOptions, "workers.modules.code.module", runs_user_code=True),
    "codes": ModuleKind(CodesOptions, "workers.modules.codes.module", source_type="DETECTOR"),
    "color": ModuleKind(ColorOptions, "workers.modules.color.module", source_type="CLASSIFIER"),
    "detector": ModuleKind(DetectorOptions, "workers.modules.detector.module", source_type="DETECTOR"),
    "mask": ModuleKind(MaskOptions, "workers.modules.mask.module"),
    "measure": ModuleKind(MeasureOptions, "workers.modules.measure.module"),
    "only_if": ModuleKind(OnlyIfOptions, "workers.modules.only_if.module"),
    "parallel": ModuleKind(ParallelOptions, "workers.modules.parallel.module"),
    "preprocess": ModuleKind(PreprocessOptions, "workers.modules.preprocess.module"),
    "reference": ModuleKind(ReferenceOptions, "workers.modules.reference.module", source_type="UNSUPERVISED"),
    "segmentation": ModuleKind(SegmentationOptions, "workers.modules.segmentation.module", source_type="SUPERVISED"),
    "shape": ModuleKind(ShapeOptions, "workers.modules.shape.module", source_type="DETECTOR"),
    "sharpness": ModuleKind(SharpnessOptions, "workers.modules.sharpness.module"),
    "unify": ModuleKind(UnifyOptions, "workers.modules.unify.module"),
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
