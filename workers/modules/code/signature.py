"""Which arguments a `main` of user code takes, told from its parameters; and what a source file shows unimported.

The rule: the name of the first parameter decides. `context` is given the context, and then `module_item` and `form` may
follow, in any order, each with or without a default. A `main` whose only parameter has any other name (`img`, `image`)
is of the old kind: it is given the image, and what it returns is the new one, unless that is None.
"""

from __future__ import annotations

import ast
import difflib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import Parameter
from pathlib import Path

FORMS = "main(context), main(context, module_item), main(context, form), main(context, module_item, form) or main(img)"
_EXTRAS = ("module_item", "form")
_SHORT = frozenset({"c", "cntx", "con", "cont", "ctx", "ctxt", "cx", "cxt"})
_ALIKE = 0.8


@dataclass(frozen=True, slots=True)
class Call:
    """How to call a `main`: with the image or the context, and with which of `module_item` and `form` by keyword.

    `first` is the name of its first parameter.
    """

    takes_image: bool
    keywords: frozenset[str]
    first: str = "context"

    @property
    def misnamed(self) -> bool:
        """Whether it is given the image, and seems to want the context."""
        return self.takes_image and means_context(self.first)


def plan_call(parameters: Sequence[Parameter]) -> Call:
    """Tell from its parameters how `main` is called; raises ValueError where it fits none of the known forms."""
    named = [item for item in parameters if item.kind not in {Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD}]
    if not named or named[0].kind is Parameter.KEYWORD_ONLY:
        msg = f"main takes no argument; expected {FORMS}"
        raise ValueError(msg)
    first, *others = named
    unknown = [item.name for item in others if item.name not in _EXTRAS and item.default is Parameter.empty]
    extras = frozenset(item.name for item in others) & frozenset(_EXTRAS)
    misnamed = first.name != "context" and extras
    if unknown or misnamed or any(item.kind is Parameter.POSITIONAL_ONLY for item in others):
        msg = f"main({', '.join(item.name for item in named)}) is not known; expected {FORMS}"
        raise ValueError(msg)
    return Call(first.name != "context", extras, first.name)


def means_context(name: str) -> bool:
    """Whether whoever calls a parameter so seems to want the context: `ctx`, `cont`, `Context`, `frame_context`."""
    bare = name.lower().strip("_")
    alike = difflib.SequenceMatcher(None, bare, "context").ratio() > _ALIKE
    return bare in _SHORT or "context" in bare or (alike and bare != "content")


def parse(path: Path) -> ast.Module:
    """Parse a source file; raises ValueError with the line of its first syntax error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape in a string is the author's to tidy, not a mistake
            tree = ast.parse(path.read_bytes(), path.name)
            compile(tree, path.name, "exec", dont_inherit=True)  # finds what parsing does not: a stray `return`
    except (SyntaxError, ValueError) as error:
        line = f"line {error.lineno}: " if isinstance(error, SyntaxError) and error.lineno else ""
        what = error.msg if isinstance(error, SyntaxError) else str(error)
        msg = f"{line}{what}"
        raise ValueError(msg) from None
    except (RecursionError, MemoryError):
        msg = "its expressions are nested too deeply for Python"
        raise ValueError(msg) from None
    return tree


def check_main(tree: ast.Module) -> None:
    """Look for a `main` of a known form; raises ValueError, with its line, where there is none.

    A `main` that is imported or assigned cannot be judged here: it is accepted, and judged when it is there.
    """
    found: ast.AST | None = None
    for statement in _top_level(tree.body):
        if _binds_main(statement):
            found = statement
    if found is None:
        msg = f"has no function main; expected {FORMS}"
        raise ValueError(msg)
    if isinstance(found, ast.AsyncFunctionDef):
        msg = f"line {found.lineno}: main is async, so it would never run; write a plain def"
        raise ValueError(msg)  # noqa: TRY004 - the kind of a syntax tree's node is a matter of what was written
    if isinstance(found, ast.FunctionDef):
        try:
            plan_call(_parameters(found.args))
        except ValueError as error:
            msg = f"line {found.lineno}: {error}"
            raise ValueError(msg) from None


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted names of modules that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _top_level(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a file, those inside its `if`, `try` and `with` too."""
    for statement in body:
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            for field in ("body", "orelse", "finalbody"):
                yield from _top_level(getattr(statement, field, []))
            for handler in getattr(statement, "handlers", []):
                yield from _top_level(handler.body)


def _binds_main(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return statement.name == "main"
    if isinstance(statement, ast.ImportFrom):
        return any((alias.asname or alias.name) in {"main", "*"} for alias in statement.names)
    if isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        return any(isinstance(node, ast.Name) and node.id == "main" for target in targets for node in ast.walk(target))
    return False


def _parameters(arguments: ast.arguments) -> list[Parameter]:
    """Return the parameters of a function in a syntax tree as `inspect` gives those of one that lives."""
    positional = [
        *((item.arg, Parameter.POSITIONAL_ONLY) for item in arguments.posonlyargs),
        *((item.arg, Parameter.POSITIONAL_OR_KEYWORD) for item in arguments.args),
    ]
    required = len(positional) - len(arguments.defaults)
    found = [
        Parameter(name, kind, default=Parameter.empty if index < required else None)
        for index, (name, kind) in enumerate(positional)
    ]
    if arguments.vararg:
        found.append(Parameter(arguments.vararg.arg, Parameter.VAR_POSITIONAL))
    for item, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.append(Parameter(item.arg, Parameter.KEYWORD_ONLY, default=Parameter.empty if default is None else None))
    return found
