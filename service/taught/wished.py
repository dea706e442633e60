"""What is asked of `framemill train`, made whole: what is left out comes from what was learned, or is usual."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workers.errors import FramemillError, ProjectInvalid
from workers.modules.anomaly.backbone import HOW_TO_INSTALL, backbone_for
from workers.modules.anomaly.methods import COMPARED, WITH_BACKBONE
from workers.teaching.teaching import Wish

if TYPE_CHECKING:
    from service.taught.chosen import Chosen
    from workers.teaching.teaching import Before

AUTO = "auto"
_FALSE_ALARMS = 0.01
_SUM_DIGITS = 8


class WrongWish(FramemillError):
    """What was asked for does not go together; the message says what does."""

    code = "wrong_wish"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody has asked for; None where he said nothing."""

    method: str | None
    false_alarms: float | None
    seed: int | None
    backbone: Path | None
    more: bool


def wish_for(asked: Asked, chosen: Chosen, folder: Path, processes: int, tell: Callable[[str], None]) -> Wish:
    """Return what is to be done; a backbone that is needed is put into `folder`, `tell` is told what goes without.

    Raises:
        WrongWish: it does not go together.
        ProjectInvalid: what was learned cannot be gone on from, or there is no backbone.
        OSError: the backbone cannot be written.
    """
    before = chosen.before() if asked.more else None
    if before and asked.method not in {None, before.about.method}:
        msg = (
            f"--more goes on with {before.about.method}, by which {chosen.file} was learned;"
            f" without --more {asked.method} begins anew"
        )
        raise WrongWish(msg)
    if before and asked.backbone:
        raise WrongWish("--more goes on with the backbone that the module has; without it another one can be named")
    method = before.about.method if before else asked.method or AUTO
    methods = COMPARED if method == AUTO else (method,)
    if asked.backbone and not WITH_BACKBONE.intersection(methods):
        raise WrongWish(f"--backbone: {method} looks through none; it is for {', '.join(sorted(WITH_BACKBONE))}")
    if asked.backbone:
        _try(asked.backbone)
    backbones, why = {}, "was asked for"
    for name in WITH_BACKBONE.intersection(methods):
        try:
            backbones[name] = _backbone(asked, chosen, before, folder)
        except ProjectInvalid as error:
            if method != AUTO:
                raise ProjectInvalid(f"{name} {error.message}") from None
            methods = tuple(other for other in methods if other != name)
            tell(f"{name} is not tried: it {error.message}")
            why = f"is what can be tried here without {name}"
    false_alarms = asked.false_alarms or (before.about.false_alarms if before else _FALSE_ALARMS)
    seed = asked.seed if asked.seed is not None else before.about.seed if before else 0
    return Wish(methods, why, false_alarms, seed, processes, chosen.region, backbones, before)


def _try(backbone: Path) -> None:
    """Load a backbone before anything is learned with it; raises WrongWish where it is none."""
    from workers.modules.anomaly.neighbours.features import Backbone  # noqa: PLC0415 - what is learned may not need it

    try:
        Backbone(backbone.absolute())
    except ModuleNotFoundError as error:
        msg = f"--backbone needs {error.name}, which is not installed: {HOW_TO_INSTALL}"
        raise WrongWish(msg) from None
    except ProjectInvalid as error:
        msg = f"--backbone: {error.message.removeprefix('file: ').removeprefix('backbone: ')}"
        raise WrongWish(msg) from None


def _backbone(asked: Asked, chosen: Chosen, before: Before | None, folder: Path) -> Path:
    if before:
        return chosen.folder / before.about.backbone
    return asked.backbone.absolute() if asked.backbone else backbone_for(folder)


def keep_backbone(backbone: Path, chosen: Chosen) -> tuple[str, bool]:
    """Copy a backbone beside the file that the module loads; returns its path in the project, and whether it is new.

    Where another of that name is there already it stays, for the file that is there needs it. Raises OSError.
    """
    content = backbone.read_bytes()
    content_sum = hashlib.sha256(content).hexdigest()
    target = chosen.path.parent / backbone.name
    if target.exists() and target.read_bytes() != content:
        target = target.with_stem(f"{target.stem}_{content_sum[:_SUM_DIGITS]}")
    is_new = not target.exists()
    if is_new:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.new")
        try:
            shutil.copyfile(backbone, part)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    return target.relative_to(chosen.folder).as_posix(), is_new
