"""What the options of every module have in common: `check`, the schema and forms are made from them.

A file with options imports neither OpenCV nor numpy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    from workers.modules.project_files import ProjectFiles


THRESHOLD = "x-threshold"
IS_THRESHOLD: FieldInfo = Field(json_schema_extra={THRESHOLD: True})
"""Stands in `Annotated[...]` of an option that may be changed at the line: a number that decides what is OK.

See workers/flow/overrides.py.
"""


class Line(NamedTuple):
    """Which option `context["score"]` is compared with: `option` is `factor` times the score from which it is NOK.

    `above` says whether that is so from there up, or below it.
    """

    option: str
    above: bool
    factor: float = 1.0


class ModuleOptions(BaseModel):
    """What a project says about one module, a table [[flow]]; each field has a description, and a default if it can."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    FILES: ClassVar[tuple[str, ...]] = ()
    """Keys whose values are files of the project, relative to its folder."""

    LEARNED: ClassVar[tuple[str, ...]] = ()
    """Those of FILES that `framemill train` writes: while it does they need not be there."""

    BRANCHES: ClassVar[str] = ""
    """The key whose value is a list of lists of modules, where there is one."""

    module: Annotated[str, Field(description="what kind of module it is")]
    name: Annotated[str | None, Field(min_length=1, max_length=200, description="how messages call it")] = None
    enabled: Annotated[bool, Field(description="false: it is checked, and does not run")] = True
    limit_ms: Annotated[
        int | None, Field(ge=1, le=600_000, description="the longest that it may take, in ms; more is an error")
    ] = None

    @property
    def title(self) -> str:
        """How messages call it: the name that the project gives it, if it gives one."""
        return self.name or self.unnamed

    @property
    def unnamed(self) -> str:
        """How messages call it where the project gives it no name."""
        return self.module

    def with_provider(self, provider: str) -> Self:  # noqa: ARG002 - for those with a model
        """Return them with `provider` (the setting `model_provider`) where they leave open what computes a model."""
        return self

    @property
    def line(self) -> Line | None:
        """What its score is compared with, where it makes one that decides."""
        return None

    @property
    def alone(self) -> str:
        """Why a process that has loaded such a module must not be forked; nothing where it may."""
        return ""

    @classmethod
    def mistakes_of_files(cls, table: Mapping[str, Any], files: ProjectFiles) -> Iterator[tuple[str, str]]:  # noqa: ARG003 - for those who name files
        """Yield what is wrong with the files that `table` names, as key and mistake; nothing in it is checked yet."""
        yield from ()

    @classmethod
    def mistakes_of_project(cls, files: ProjectFiles) -> Iterator[str]:  # noqa: ARG003 - as above
        """Yield what is wrong with the project's files whether it has such a module or not."""
        yield from ()
