"""Code that reads files beside itself, told from its source: these are part of a version, and change by a reload only.

What is found is what is written plainly: names joined to `__file__`, or to a variable that was made of it, and relative
names that are opened. It is a note for the author and no mistake, so what is missed does no harm: status and page say
when any file on disk has changed.
"""

from __future__ import annotations

import ast
import posixpath
from collections.abc import Iterator
from pathlib import Path

from workers.modules.code.signature import parse

_ITSELF = "/its/file"
_KEEP = frozenset({"Path", "PurePath", "abspath", "absolute", "expanduser", "fspath", "realpath", "resolve", "str"})
_OPEN = frozenset({"Path", "genfromtxt", "imread", "load", "loadtxt", "open", "read_csv", "read_text"})


def notes_on(project: Path) -> Iterator[str]:
    """Yield a line for each such place in the `code/` of a project; files that are no Python are left to others."""
    for path in sorted((project / "code").rglob("*.py")):
        try:
            tree = parse(path)
        except (OSError, ValueError):
            continue
        finder = _Finder()
        finder.visit(tree)
        for line, note in dict.fromkeys(finder.found):
            yield f"{path.relative_to(project)}: line {line}: {note}"


class _Finder(ast.NodeVisitor):
    """Follows paths through the expressions of one file: as if it were /its/file, and nothing were known of others."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str]] = []
        self._names: dict[str, str] = {}

    def visit(self, node: ast.AST) -> None:
        """Look at a node; of what is part of a path only the whole path counts."""
        path = self._path(node) if isinstance(node, ast.expr) else None
        if isinstance(node, ast.expr) and path and path not in {_ITSELF, posixpath.dirname(_ITSELF), "/"}:
            name = posixpath.relpath(path, posixpath.dirname(_ITSELF)).replace("../", "")
            note = (
                f"reads {name} beside its file: it is part of the version and changes only by a reload;"
                " a file that another system updates belongs into the data folder"
            )
            self.found.append((node.lineno, note))
            return
        if isinstance(node, ast.Call) and _called(node) in _OPEN and node.args and (name := _relative(node.args[0])):
            note = (
                f"reads {name} in the data folder, where workers are; what is part of the project is found from"
                " Path(__file__)"
            )
            self.found += [(node.lineno, note)] if not _writes(node) else []
        super().visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        """Remember variables that stand for a path."""
        path = self._path(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name) and path:
                self._names[target.id] = path
        self.generic_visit(node)

    def _path(self, node: ast.expr) -> str | None:
        """The path that an expression gives; None where it is none of the file's own."""
        if isinstance(node, ast.Name):
            return _ITSELF if node.id == "__file__" else self._names.get(node.id)
        if isinstance(node, ast.Attribute) and node.attr == "parent":
            return _above(self._path(node.value))
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "parents":
            number = node.slice.value if isinstance(node.slice, ast.Constant) else 0
            return _above(self._path(node.value.value), number + 1 if isinstance(number, int) else 1)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Add):
            return _joined(self._path(node.left), node.right)
        if isinstance(node, ast.JoinedStr) and len(node.values) > 1 and isinstance(node.values[0], ast.FormattedValue):
            return _joined(self._path(node.values[0].value), node.values[1])
        return self._path_of_call(node) if isinstance(node, ast.Call) else None

    def _path_of_call(self, node: ast.Call) -> str | None:
        name = _called(node)
        subject: ast.expr | None = node.args[0] if node.args else None
        if isinstance(node.func, ast.Attribute) and (subject is None or name in {"joinpath", "with_name"}):
            path = self._path(node.func.value)
            if name == "with_name" and subject is not None:
                return _joined(_above(path), subject)
            return _joined(path, *node.args) if name in _KEEP | {"joinpath"} else None
        path = self._path(subject) if subject is not None else None
        if name == "dirname":
            return _above(path)
        return _joined(path, *node.args[1:]) if name in _KEEP | {"join"} else None


def _writes(node: ast.Call) -> bool:
    """Whether a file is opened to be written: that belongs into the data folder."""
    given = [*node.args[1:2], *(keyword.value for keyword in node.keywords if keyword.arg == "mode")]
    modes = [mode.value for mode in given if isinstance(mode, ast.Constant) and isinstance(mode.value, str)]
    return _called(node) == "open" and any(set(mode) & set("wax+") for mode in modes)


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _above(path: str | None, levels: int = 1) -> str | None:
    for _ in range(levels):
        path = posixpath.dirname(path) if path else None
    return path


def _joined(path: str | None, *names: ast.expr) -> str | None:
    """`path` with names joined; what is not written there is shown as a star."""
    for name in names:
        text = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else "*"
        path = f"{path.rstrip('/')}/{text.lstrip('/')}" if path else None
    return path


def _relative(node: ast.expr) -> str:
    text = node.value if isinstance(node, ast.Constant) else None
    return text if isinstance(text, str) and text and not text.startswith("/") and "://" not in text else ""
