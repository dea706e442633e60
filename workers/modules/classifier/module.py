"""The module `classifier`: says by a trained model what a picture shows.

[[flow]]
module = "classifier"
file = "models/caps.onnx"
ok_labels = ["cap"]
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from workers.modules.measured import keep_measured
from workers.modules.models.looking import Part
from workers.modules.models.model import Facts, Model, ModelModule
from workers.modules.models.shown import Way

if TYPE_CHECKING:
    from workers.context.run import Context, Run
    from workers.modules.base import ModuleSurroundings
    from workers.modules.classifier.options import ClassifierOptions
    from workers.modules.models.metadata import Metadata
    from workers.modules.models.network import Output

_EXPECTED = "one of 1xclasses, as numbers that are no integers"
_NEAR_ONE = 1e-3

Read = Callable[["list[Output]"], NDArray[np.float64]]


def prepare(options: ClassifierOptions, surroundings: ModuleSurroundings) -> Callable[[Context, Run], bool]:
    """Return the module, ready to run on contexts.

    Raises:
        ProjectInvalid: the model cannot be loaded, takes no pictures, or its output has no number for each class.
    """
    module = Classifier(options, surroundings)
    return ModelModule(module, module.model, surroundings)


class Classifier:
    """The module with its model. One frame at a time: it keeps memory between frames."""

    def __init__(self, options: ClassifierOptions, surroundings: ModuleSurroundings) -> None:
        """Raises ProjectInvalid as `prepare` does."""
        self._options = options
        self._part = Part(options)
        self.model: Model[Read] = Model(options, surroundings, self._reader, _way)

    def __call__(self, context: Context, run: Run) -> None:
        """Say what `context["image"]` shows, (h, w) grey or (h, w, 3) BGR uint8, which is only read."""
        options, model = self._options, self.model
        image, part = self._part.of(context["image"])
        outputs, _ = model.ask(image, part, run)
        shares = model.reader(outputs)
        order = np.argsort(-shares, kind="stable")[: options.top].tolist()
        top = [{"id": at, "label": model.labels.of(at), "confidence": round(float(shares[at]), 4)} for at in order]
        label, confidence = top[0]["label"], top[0]["confidence"]
        told = [{"label": each["label"], "confidence": each["confidence"]} for each in top]
        keep_measured(context, "classes", options.name, {"label": label, "confidence": confidence, "top": told})
        context["score"] = confidence
        context["threshold"] = options.min_confidence
        if options.rectangle:
            box: dict[str, Any] = {"x": part.x, "y": part.y, "width": part.width, "height": part.height}
            context["detectedRectangles"].append({**box, "confidence": confidence, "classNames": top})
        if options.ok_labels is not None:
            context["result"] = label in options.ok_labels and float(shares[order[0]]) >= options.min_confidence

    def _reader(self, facts: Facts) -> Read:
        facts.expect_task("a model that classifies", "classify")
        values = facts.outputs[0].values if len(facts.outputs) == 1 else np.empty(0)
        if values.dtype.kind != "f" or values.size < 1 or max(values.shape, default=0) != values.size:
            facts.refuse(_EXPECTED)
        classes = values.size
        if facts.labels.count and facts.labels.count != classes:
            facts.refuse(f"{facts.labels.count} numbers, one for each label (labels)")
        kind = self._options.scores or _kind(values)
        return lambda outputs: _shares(outputs[0].values.ravel(), kind)


def _kind(values: NDArray[Any]) -> str:
    flat = values.ravel().astype(np.float64)
    are_shares = flat.size > 1 and flat.min() >= 0 and abs(float(flat.sum()) - 1) < _NEAR_ONE
    return "probabilities" if are_shares else ("logits" if flat.size > 1 else "independent")


def _shares(values: NDArray[Any], kind: str) -> NDArray[np.float64]:
    """Return how sure the model is of each class, (classes,) float64."""
    numbers = values.astype(np.float64)
    if kind == "probabilities":
        return numbers
    if kind == "independent":
        apart: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(numbers, -500, 500)))
        return apart
    power = np.exp(numbers - numbers.max())
    shares: NDArray[np.float64] = power / power.sum()
    return shares


def _way(metadata: Metadata) -> Way:
    """Say how a picture is fitted: Ultralytics scales the shorter side and cuts, and distorts where it is no square."""
    width, height = metadata.size_px or (1, 1)
    return Way("crop" if metadata.ultralytics and width == height else "stretch", "smooth")
