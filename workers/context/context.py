"""What the flow knows about a frame: made anew for each, made whole again after the flow, and written as JSON.

User code gets a plain dict and may do anything to it. So nothing of it is trusted afterwards: keys of the contract that
are gone come back, wrong types are put right with an entry in `errors`, and any such entry makes `error` true and
`result` false, for an inspection that did not go as its author meant must never say OK. `imageShape`, `processing`,
`production_mode`, `flowVersion`, the two times, `stdout`, `stderr` and, where its file gave a reason, `damaged` and
`notes` are the server's own: what user code writes there is lost, and so it is with `timings`. `dataFolder` tells code
where it may write, `frame` where the frame comes from; they go to nobody else.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from workers.context.finite import not_a_number
from workers.context.run import MAX_ERRORS, Context
from workers.errors import ContextTooLarge
from workers.text import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from workers.context.run import Run

_HIDDEN = frozenset({"image", "heatmaps", "exit", "data", "items", "dataFolder", "placement", "imageBits", "worker"})
FRAME = "frame"
_MISSING: Any = object()

# what modules may set, in the order of the contract; the value of a type called without arguments replaces a broken one
_TYPES: dict[str, type] = {
    "error": bool,
    "errors": list,
    "save": bool,
    "result": bool,
    "score": float,
    "threshold": float,
    "angle": float,
    "lines": list,
    "surfaceClasses": list,
    "detectedRectangles": list,
    "operatorInput": dict,
    "globalData": dict,
}


def new_context(image: NDArray[Any], data: str, data_folder: str = "", version: str = "", *, bits: int = 8) -> Context:
    """Return the context in which a flow begins; `image` is (h, w) grey or (h, w, 3) BGR, of `bits` a sample."""
    return {
        "image": image,
        "data": data,
        "dataFolder": data_folder,
        "imageBits": bits,
        "flowVersion": version,
        "heatmaps": [],
        "exit": False,
        "items": {},
        "error": False,
        "errors": [],
        "imageShape": {"height": image.shape[0], "width": image.shape[1]},
        "processing": True,
        "processingTime": 0.0,
        "completeTime": 0.0,
        "save": False,
        "production_mode": True,
        "result": True,
        "score": 0.0,
        "threshold": 0.0,
        "angle": None,
        "lines": [],
        "surfaceClasses": [],
        "detectedRectangles": [],
        "operatorInput": {},
        "globalData": {},
        "stdout": "",
        "stderr": "",
    }


def repaired(context: Context, note: Callable[[str], None]) -> Context:
    """Return the keys that modules may set, each with its right type; `note` is told what was wrong."""
    whole: Context = {}
    for key, kind in _TYPES.items():
        value: Any = context.get(key, _MISSING)
        if type(value) is not kind or (type(value) is float and not math.isfinite(value)):
            value = _repaired(key, value, kind, note)
        whole[key] = value
    return whole


def _repaired(key: str, value: object, kind: type, note: Callable[[str], None]) -> object:
    nothing = None if key == "angle" else kind()
    if (value is None and key == "angle") or (value is _MISSING and key != "result"):
        return nothing
    fitting = _converted(value, kind)
    if fitting is not None:
        return fitting
    what = "gone" if value is _MISSING else shown(value)
    note(f"context[{key!r}] is {what}, expected {kind.__name__}; {nothing} took its place")
    return nothing


def _converted(value: object, kind: type) -> object:
    """Return `value` as the type that it stands for: numpy's, a tuple, 0 and 1 for a bool; None for another."""
    if kind is bool and isinstance(value, np.bool | Integral) and value in {0, 1}:
        return bool(value)
    if kind is float and isinstance(value, Real) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if math.isfinite(number) else None
    if kind is list and isinstance(value, list | tuple):
        return list(value)
    return value if kind is dict and isinstance(value, dict) else None


def complete(context: Context, run: Run, height: int, width: int, version: str = "") -> Context:
    """Return the public context of a finished flow; `height` and `width` are those of its final image, in px."""
    whole = repaired(context, run.note)
    if run.errors:
        whole["error"] = True
        whole["result"] = False
        whole["errors"] = [*whole["errors"], *run.errors]
    now = time.monotonic_ns()
    whole["imageShape"] = {"height": height, "width": width}
    whole["processing"] = True
    whole["processingTime"] = (now - run.begun_ns) / 1e9
    whole["completeTime"] = (now - run.accepted_ns) / 1e9
    whole["production_mode"] = True
    whole["flowVersion"] = version
    whole["stdout"] = run.printed.stdout.text()
    whole["stderr"] = run.printed.stderr.text()
    if run.timings:
        whole["timings"] = run.timings
    if run.damaged:
        whole["damaged"] = True
    if run.notes:
        whole["notes"] = [*run.notes]
    if len(context) > len(whole) or not context.keys() <= whole.keys():
        for key, value in context.items():
            if key not in whole and key not in _HIDDEN and not (key == FRAME and value is run.about):
                whole[key] = value
    return whole


def context_json(context: Context, limit_bytes: int = 1 << 20) -> bytes:
    """Write a public context as UTF-8 JSON.

    Whatever could not be computed, or not be written, is never OK: with such a part `context` gets entries in `errors`
    that say where, `error` becomes true and `result` false. What JSON cannot hold is left out of its dict, and null in
    a list. Numbers that JSON cannot hold (NaN and the infinities) become null. numpy's scalars and arrays are written
    as numbers and lists. Keys that are numbers become text.

    Raises:
        ContextTooLarge: it is larger than `limit_bytes`; the message names the largest key.
    """
    was_ok = context.get("result") is True
    text = _text(context)
    # the only null may be that of the angle; to look through all values takes many times as long
    expected = text.find(b"null") if context.get("angle") is None else -1
    if was_ok and text.rfind(b"null") != expected:
        where = not_a_number(context, "context")
        if where:
            _refuse_ok(context, [f"{where}: what is not a number is never OK; it is written as null"])
            text = _text(context)
    if len(text) > limit_bytes:
        raise ContextTooLarge(_largest(context, len(text), limit_bytes))
    return text


def _refuse_ok(context: Context, messages: Sequence[str]) -> None:
    entry = {"type": None, "file": None, "line": None, "module": None, "moduleId": None}
    context["errors"] = [*context["errors"], *({"message": message, **entry} for message in messages)]
    context["error"], context["result"] = True, False


def _text(context: Context) -> bytes:
    try:
        return _dumps(context)
    except orjson.JSONEncodeError:
        try:
            # slower, and needed only by the few who count by class id
            return _dumps(context, orjson.OPT_NON_STR_KEYS)
        except orjson.JSONEncodeError:
            told: list[str] = []
            fitting = _fitting(context, "context", (), told)
            context.clear()
            context.update(fitting)
            _refuse_ok(context, told)
            return _dumps(context, orjson.OPT_NON_STR_KEYS)


def _dumps(value: object, option: int = 0) -> bytes:
    return orjson.dumps(value, _plain, orjson.OPT_SERIALIZE_NUMPY | option)


def _plain(value: object) -> object:
    """Turn the arrays that orjson does not take (strided, of text) into what it takes."""
    if not issubclass(type(value), np.ndarray):  # isinstance would ask the value itself
        raise TypeError
    assert isinstance(value, np.ndarray)
    return np.ascontiguousarray(value) if value.dtype.kind in "biuf" else value.tolist()


def _fitting(value: Any, path: str, above: tuple[int, ...], told: list[str]) -> Any:
    """Return `value` with what JSON can hold of it, _MISSING for nothing; `above` are the ids of what surrounds it."""
    why: str | None = ""
    if id(value) in above:
        why = f"{path} contains itself"
    elif len(above) > 250:  # orjson's own limit is 254
        why = f"{path[:80]}... is nested more than 250 levels deep"
    elif above and _fits(value):
        return value
    elif issubclass(type(value), dict):  # isinstance would ask the value itself
        return _fitting_dict(value, path, (*above, id(value)), told)
    elif issubclass(type(value), list | tuple):
        members = enumerate(list.__iter__(value) if issubclass(type(value), list) else tuple.__iter__(value))
        whole = [_fitting(member, f"{path}[{index}]", (*above, id(value)), told) for index, member in members]
        return [None if member is _MISSING else member for member in whole]
    _tell(told, why or _misfit(value, path) or f"{path} cannot be written as JSON")
    return _MISSING


def _fitting_dict(value: dict[Any, Any], path: str, above: tuple[int, ...], told: list[str]) -> dict[Any, Any]:
    whole = {}
    for key, member in dict.items(value):
        name = f"{path}[{shown(key)}]"
        if not issubclass(type(key), str | int | float | None):
            _tell(told, f"{name} has {shown(key)} as its key, expected text")
        elif why := _misfit(key, f"the key {name}"):
            _tell(told, why)
        elif (fitting := _fitting(member, name, above, told)) is not _MISSING:
            whole[key] = fitting
    return whole


def _tell(told: list[str], why: str) -> None:
    if len(told) < MAX_ERRORS:
        told.append(f"{why}: it is left out")
    elif len(told) == MAX_ERRORS:
        told.append(f"more than {MAX_ERRORS} values cannot be written as JSON: they are left out")


def _fits(value: object) -> bool:
    try:
        _dumps(value, orjson.OPT_NON_STR_KEYS)
    except orjson.JSONEncodeError:
        return False
    return True


def _misfit(value: object, path: str) -> str | None:
    try:
        _dumps(value)
    except orjson.JSONEncodeError as error:
        kind = type(value)  # isinstance would ask the value itself
        if issubclass(kind, str):
            return f"{path} is text that UTF-8 cannot hold: {error}"
        if issubclass(kind, int):
            return f"{path} is an integer of more than 64 bits, which JSON readers do not take"
        what = f"an array of {value.dtype}" if type(value) is np.ndarray else shown(value)
        return f"{path} is {what}: JSON has no such type"
    return None


def _largest(context: Context, size: int, limit: int) -> str:
    sizes = {key: len(_dumps(value, orjson.OPT_NON_STR_KEYS)) for key, value in context.items()}
    key = max(sizes, key=lambda name: sizes[name])
    return (
        f"the context has {size:,} bytes as JSON, at most {limit:,} are allowed; "
        f"the largest part is context[{shown(key)}] with {sizes[key]:,}"
    )
