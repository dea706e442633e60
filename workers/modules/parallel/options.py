"""The options of the module `parallel`, as the project file has them."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from workers.modules.options import ModuleOptions


class ParallelOptions(ModuleOptions):
    """What a project says about a `parallel` block."""

    BRANCHES: ClassVar[str] = "branches"

    branches: Annotated[list[list[dict[str, Any]]], Field(min_length=1, description="lists of modules")]
