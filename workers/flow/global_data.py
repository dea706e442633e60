"""`globalData` of one frame: what frames before it have left, and what it leaves for those that begin later.

Each key counts for itself: what a frame has changed is written, the last one wins, and what it has not touched stays as
others have it. Whether it has changed is seen by its JSON, before and after. A flow that never names `globalData` does
without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from workers.context.finite import not_a_number
from workers.context.run import Context
from workers.memory.global_data import GlobalData, GlobalDataBusy
from workers.text import shown

if TYPE_CHECKING:
    from workers.flow.project import Project, Step

NAME = "globalData"
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def may_be_used(project: Project) -> bool:
    """Tell whether anything in a project's flow may look at `globalData`: its code, an expression, foreign modules."""
    steps = [*_all(project.steps)]
    if any(step.kind.runs_user_code for step in steps) and _is_named_in(project.folder / "code"):
        return True
    if any(not step.kind.implementation.startswith("workers.modules.") for step in steps):
        return True
    return NAME in repr([step.options for step in steps]) or NAME in repr(project.verdict)


def _all(steps: Iterable[Step]) -> Iterable[Step]:
    for step in steps:
        if step.options.enabled:
            yield step
            for branch in step.branches:
                yield from _all(branch)


def _is_named_in(folder: Path) -> bool:
    return any(NAME.encode() in path.read_bytes() for path in folder.rglob("*.py") if path.is_file())


def lend(context: Context, shared: GlobalData) -> bytes:
    """Let `context` have what is there now; returns it as JSON, for `leave`."""
    text = shared.read()
    context[NAME] = orjson.loads(text)
    return text


def leave(context: Context, before: bytes, shared: GlobalData, note: Callable[[str], None]) -> None:
    """Write what of `globalData` the flow has changed; `note` is told what cannot be kept."""
    after: Any = context.get(NAME)
    if not issubclass(type(after), dict):
        return  # an error, which is told where the context is put right
    try:
        if _text(after) == before:
            return
    except (TypeError, RecursionError):  # orjson's error is a TypeError
        pass
    changed, gone = _differences(context, after, orjson.loads(before), note)
    if not changed and not gone:
        return
    try:
        shared.change(lambda present: _merged(present, changed, gone, shared.room_bytes))
    except _TooLarge as error:
        note(str(error))
    except GlobalDataBusy:
        note(f"context['{NAME}'] could not be kept: another process has held it for too long")


def _differences(
    context: Context, after: dict[Any, Any], was: dict[str, Any], note: Callable[[str], None]
) -> tuple[dict[str, bytes], set[str]]:
    """Return what is new in `after`, as JSON by key, and which keys are gone; what cannot be kept is taken out."""
    changed: dict[str, bytes] = {}
    gone = was.keys() - {_name(key) for key in after}
    unfit = []
    for key, value in after.items():
        text = _kept(name := _name(key), value, note)
        if text is None:
            unfit.append(key)
        elif name not in was or text != _text(was[name]):
            changed[name] = text
    if unfit:  # told already; the answer goes out without
        context[NAME] = {key: value for key, value in after.items() if key not in unfit}
    return changed, gone


def _name(key: object) -> str:
    """Return a key as JSON has it: text."""
    return key if isinstance(key, str) else str(key) if isinstance(key, int | float) else shown(key)


class _TooLarge(Exception):
    """It has no room; the text names the largest key."""


def _kept(name: str, value: Any, note: Callable[[str], None]) -> bytes | None:
    """Return a value as JSON; None where it cannot be kept, of which `note` is told."""
    where = f"context['{NAME}'][{shown(name)}]"
    try:
        text = _text(value)
        _text(name)
    except (TypeError, RecursionError):
        note(f"{where} ({shown(value)}) is or has in it what JSON cannot hold: it is not kept for later frames")
        return None
    if b"null" in text and (found := not_a_number(value, where)):
        note(f"{found}, which JSON cannot hold: it is not kept for later frames")
        return None
    return text


def _merged(present: bytes, changed: dict[str, bytes], gone: Iterable[str], room_bytes: int) -> bytes:
    whole: dict[str, Any] = orjson.loads(present)
    for name in gone:
        whole.pop(name, None)
    whole.update((name, orjson.Fragment(text)) for name, text in changed.items())
    text = _text(whole)
    if len(text) > room_bytes:
        sizes = {name: len(_text(value)) for name, value in whole.items()}
        largest = max(sizes, key=lambda name: sizes[name])
        msg = (
            f"context['{NAME}'] has {len(text):,} bytes as JSON, at most {room_bytes:,} are kept (global_data_kib): "
            f"nothing that this frame changed in it is; the largest part is {shown(largest)} with {sizes[largest]:,}"
        )
        raise _TooLarge(msg)
    return text


def _text(value: Any) -> bytes:
    return orjson.dumps(value, option=_OPTIONS)
