"""A kind of module, as the registry and packages that add modules name it. This file imports no pixels."""

from __future__ import annotations

from dataclasses import dataclass

from workers.modules.options import ModuleOptions


@dataclass(frozen=True, slots=True)
class ModuleKind:
    """What there is to know of a kind of module before anything of it is imported.

    `implementation` is the Python module whose `prepare(options, surroundings)` makes one; it is imported where frames
    are inspected. `source_type` is what its rectangles bear in `source.type`, one of the contract's words.
    `runs_user_code` says that it runs code of the project, which a site may refuse (`disable_code`).
    """

    options: type[ModuleOptions]
    implementation: str
    source_type: str = "CODE"
    runs_user_code: bool = False
