"""The Python files in the `code/` of a project, checked without importing them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from workers.modules.code.signature import check_main, imported_names, parse
from workers.modules.project_files import find_file

# `import random` must not find a file of the project, neither in its code nor in a library's
_OURS = {"service": "the server's own package", "workers": "the server's own package"}
_LIBRARIES = {"cv2": "the server's library", "numpy": "the server's library"}
_TAKEN_NAMES = {**dict.fromkeys(sys.stdlib_module_names, "Python's module"), **_OURS, **_LIBRARIES}


class Sources:
    """The Python files in the `code/` of one project."""

    def __init__(self, project: Path) -> None:
        self._project = project
        self._folder = project / "code"
        self._checked: set[Path] = set()

    def mistakes_of(self, file: str) -> Iterator[str]:
        """Yield what is wrong with `file` as a `code` module, and with the files of `code/` that it imports."""
        try:
            path = find_file(self._project, file)
            if path.suffix != ".py" or not path.is_relative_to(self._folder):
                msg = f"{file} is not a Python file in code/"
                raise ValueError(msg)  # noqa: TRY301 - one line for each mistake, wherever it is found
            if "." in path.stem:
                msg = f"{file} has a dot in its name, so Python cannot import it; rename it"
                raise ValueError(msg)  # noqa: TRY301 - see above
        except ValueError as error:
            yield str(error)
            return
        try:
            tree = _parsed(path)
            check_main(tree)
        except ValueError as error:
            yield f"{file}: {error}"
            return
        self._checked.add(path)
        yield from self._mistakes_of_imports(tree, file)

    def _mistakes_of_imports(self, tree: ast.Module, importer: str) -> Iterator[str]:
        for name in imported_names(tree):
            place = self._folder.joinpath(*name.split("."))
            for path in (place.with_suffix(".py"), place / "__init__.py"):
                if path in self._checked or not path.is_file():
                    continue
                self._checked.add(path)
                file = str(path.relative_to(self._project))
                try:
                    yield from self._mistakes_of_imports(_parsed(path), file)
                except ValueError as error:
                    yield f"{file}, imported by {importer}: {error}"

    def taken_names(self) -> Iterator[str]:
        """Yield the files and packages of `code/` that hide a module of Python or of the server."""
        names = [*self._folder.glob("*.py"), *(path.parent for path in self._folder.glob("*/__init__.py"))]
        for path in sorted(names):
            if path.stem in _TAKEN_NAMES:
                file = path.relative_to(self._project)
                yield f"{file}: hides {_TAKEN_NAMES[path.stem]} {path.stem} from all who import that; rename it"


def _parsed(path: Path) -> ast.Module:
    try:
        return parse(path)
    except OSError as error:
        msg = f"cannot be read: {error.strerror}"
        raise ValueError(msg) from None
