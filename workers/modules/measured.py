"""What modules say beside their verdict: values that they measured, and warnings; both go back with the answer.

"brightness": {"lamp": {"mean_level": 92.1, "under_percent": 0.4, "over_percent": 0.0}}
"warnings": ["lamp: mean_level is 31.2, expected at least 60"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from workers.context.run import Context
    from workers.modules.measuring_options import GuardOptions
    from workers.modules.region import Area

_RED: dict[str, Any] = {"color": "#ff0000", "color_bgr": [0, 0, 255]}


class Failure(NamedTuple):
    """A limit that does not hold: what a rectangle is called then, and what a line says."""

    label: str
    line: str


def outside(
    quantity: str, value: float, limits: tuple[float | None, float | None], low: str, high: str
) -> list[Failure]:
    """Return the failure of `value`, called `low` or `high`, or none where it lies between its limits."""
    least, most = limits
    if least is not None and value < least:
        return [Failure(low, f"{quantity} is {value:.4g}, expected at least {least:g}")]
    if most is not None and value > most:
        return [Failure(high, f"{quantity} is {value:.4g}, expected at most {most:g}")]
    return []


def keep_measured(context: Context, key: str, name: str, values: dict[str, Any]) -> None:
    """Put `values` under `context[key][name]`; what user code left there that is no dict gives way."""
    kept = context.get(key)
    if type(kept) is not dict:
        kept = context[key] = {}
    kept[name] = values


def warn(context: Context, message: str) -> None:
    """Add a line to `context["warnings"]`, which changes no verdict."""
    lines = context.get("warnings")
    if type(lines) is not list:
        lines = context["warnings"] = []
    lines.append(message)


def failed(area: Area, labels: list[str]) -> dict[str, Any]:
    """Return a rectangle around an area that is not as it should be; the first label is the one that is drawn."""
    return {
        "x": area.x,
        "y": area.y,
        "width": area.width,
        "height": area.height,
        "area": float(area.area_px),
        "classNames": [{"id": number, "label": label, **_RED} for number, label in enumerate(labels, 1)],
    }


def guard(context: Context, options: GuardOptions, area: Area, failures: list[Failure]) -> None:
    """Do what `on_fail` says about `failures` in `area`, if there are any; without, nothing changes.

    A frame of a camera that sees badly is not judged any further, or a later module might call it OK.
    """
    if options.on_fail == "warn":
        for failure in failures:
            warn(context, f"{options.name}: {failure.line}")
    elif failures:
        context["detectedRectangles"].append(failed(area, [failure.label for failure in failures]))
        context["result"], context["exit"] = False, True
