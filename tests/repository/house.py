"""Our modules as they stand in the checkout: where each lies, and what it imports."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from tests.support.running import CHECKOUT

# peers and projects are written as users of them write, and are no modules of ours
NO_ROOMS = ("bench/peers", "bench/project", "bench/three_ms", "bench/results", "tests/authors/projects")


@cache
def modules() -> dict[str, Path]:
    """All modules of ours, by name."""
    found = {}
    for package in ("workers", "service", "bench", "tests"):
        for path in (CHECKOUT / package).rglob("*.py"):
            place = path.relative_to(CHECKOUT)
            if not str(place).startswith(NO_ROOMS):
                parts = place.with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(name: str) -> str:
    """The room of a module; a package is its own."""
    return name if modules()[name].name == "__init__.py" else name.rpartition(".")[0]


@cache
def imports(name: str) -> frozenset[str]:
    """Modules that one imports when it runs, anybody's; what is there for types only does not count."""
    wanted: set[str] = set()
    tree = ast.parse(modules()[name].read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            wanted |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(wanted)


def imports_of_ours(name: str) -> set[str]:
    """The same, modules of ours only; a package that holds a sentence and no code does not count."""
    return {other for other in imports(name) & modules().keys() if _code(other)}


@cache
def _code(name: str) -> bool:
    return len(ast.parse(modules()[name].read_text()).body) > 1


def inside(name: str, places: set[str]) -> bool:
    """Whether a module is one of `places`, or lies in one."""
    return any(name == place or name.startswith(f"{place}.") for place in places)
