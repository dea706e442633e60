"""What is written in a `main` and has no effect, told from its source: a note for the author, as in beside.py.

What it returns where it is given the context, a context that it is not given because its parameter has another name,
an image of which it makes nothing, and a `stop` that nobody can call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from workers.modules.code.signature import means_context, parse

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def ineffective_in(project: Path) -> Iterator[str]:
    """Yield a line for each such place in the `code/` of a project; files that are no Python are left to others."""
    for path in sorted((project / "code").rglob("*.py")):
        try:
            tree = parse(path)
        except (OSError, ValueError):
            continue
        functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        found = [*_of_main(functions["main"])] if "main" in functions else []
        if "main" in functions and "stop" in functions:
            found += _of_stop(functions["stop"])
        for line, note in found:
            yield f"{path.relative_to(project)}: line {line}: {note}"


def _of_main(main: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    named = [*main.args.posonlyargs, *main.args.args]
    if not named:
        return
    first = named[0].arg
    if first != "context":
        yield from _of_image(main, first)
        return
    for node in _own(main):
        if isinstance(node, ast.Return) and not _says_nothing(node.value):
            yield node.lineno, "what main returns does not count: it changes the context in place (context['result'])"


def _of_image(main: ast.FunctionDef, first: str) -> Iterator[tuple[int, str]]:
    wanted = f"main({first}) is given the image, for its parameter is not called context"
    nodes = [node for statement in main.body for node in ast.walk(statement)]
    uses = [node for node in nodes if isinstance(node, ast.Name) and node.id == first]
    by_key = (node for node in nodes if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name))
    keys = [
        node
        for node in by_key
        if isinstance(node.value, ast.Name)
        and node.value.id == first
        and isinstance(node.slice, ast.Constant)
        and isinstance(node.slice.value, str)
    ]
    if keys or means_context(first):
        yield main.lineno, f"{wanted}; write main(context)"
    elif not uses:
        yield main.lineno, f"{wanted}, and makes nothing of it"


def _of_stop(stop: ast.FunctionDef) -> Iterator[tuple[int, str]]:
    arguments = stop.args
    positional = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    if positional or None in arguments.kw_defaults:
        yield stop.lineno, "stop takes an argument, so it is not called when its worker ends; write stop()"


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions and classes in it."""
    for child in ast.iter_child_nodes(function):
        if not isinstance(child, _Function | ast.Lambda | ast.ClassDef):
            yield child
            yield from _own(child)


def _says_nothing(value: ast.expr | None) -> bool:
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return True
    return isinstance(value, ast.Name) and value.id == "context"
