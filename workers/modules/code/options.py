"""The options of the module `code`, as the project file has them.

[[flow]]
module = "code"
file = "code/check.py"
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from workers.modules.code.files import Sources
from workers.modules.options import ModuleOptions

if TYPE_CHECKING:
    from workers.modules.project_files import ProjectFiles


class CodeOptions(ModuleOptions):
    """What a project says about a `code` module."""

    FILES: ClassVar[tuple[str, ...]] = ("file",)

    file: Annotated[str, Field(min_length=1, description="Python file in the project's code/")]
    form: Annotated[dict[str, Any], Field(description="values handed to main")] = Field(default_factory=dict)
    readonly: Annotated[bool, Field(description="main never writes to the image: it is not copied")] = False

    @property
    def unnamed(self) -> str:
        """The file without folder and ending."""
        return PurePosixPath(self.file).stem

    @classmethod
    def mistakes_of_files(cls, table: Mapping[str, Any], files: ProjectFiles) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the file, and with those of `code/` that it imports."""
        file = table.get("file")
        if isinstance(file, str) and file:
            for mistake in files.shared(Sources).mistakes_of(file):
                yield "file", mistake

    @classmethod
    def mistakes_of_project(cls, files: ProjectFiles) -> Iterator[str]:
        """Yield the files of `code/` that hide a module of Python or of the server."""
        yield from files.shared(Sources).taken_names()
