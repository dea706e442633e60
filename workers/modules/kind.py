"""A kind of module, as the registry and packages that add modules name it. This file imports no pixels."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from workers.modules.options import ModuleOptions


@dataclass(frozen=True, slots=True)
class ModuleKind:
    """What there is to know of a kind of module before anything of it is imported.

    `described` are its options, or where they are, as `package.module:Class`: those are imported when they are asked
    for. `implementation` is the Python module whose `prepare(options, surroundings)` makes one; it is imported where
    frames are inspected. `source_type` is what its rectangles bear in `source.type`, one of the contract's words.
    `runs_user_code` says that it runs code of the project, which a site may refuse (`disable_code`).
    """

    described: type[ModuleOptions] | str
    implementation: str
    source_type: str = "CODE"
    runs_user_code: bool = False

    @property
    def options(self) -> type[ModuleOptions]:
        """The class of its options."""
        if isinstance(self.described, str):
            module, _, name = self.described.partition(":")
            found: type[ModuleOptions] = getattr(importlib.import_module(module), name)
            return found
        return self.described

    @property
    def looks_at_all_files(self) -> bool:
        """Whether its options may find mistakes in a project that has no such module; of ours, only code's do."""
        return self.runs_user_code or not isinstance(self.described, str)
