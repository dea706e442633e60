"""Whoever hands an array on says what it is: its numbers in the annotation, its shape in the docstring."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.repository.house import modules

# (h, w), (n, 6), (height, width, 3): in brackets; or in words, of what has one dimension or a shape that was asked for
SHAPE = re.compile(r"\((?:h|n|height|rows|[1-9][0-9]*),|\b1-D\b|of `shape`|\bflat\b")
COLOURED = re.compile(r"\((?:h, w|height, width), 3\)")
ARRAY = "NDArray"

Documented = ast.FunctionDef | ast.ClassDef


def _aliases(trees: list[ast.Module]) -> set[str]:
    """Names for kinds of arrays: `Matrix = NDArray[np.float64]`."""
    return {
        target.id
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and ARRAY in ast.unparse(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _public(tree: ast.Module) -> Iterator[tuple[str, Documented]]:
    """Functions, classes and methods that others may use, with their names."""
    for node in tree.body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef) and (inner.name[0] != "_" or inner.name == "__init__"):
                        yield f"{node.name}.{inner.name}", inner


def _annotations(node: Documented) -> list[ast.expr]:
    """What a function takes and gives, or what a class declares to hold where others see it."""
    if isinstance(node, ast.FunctionDef):
        arguments = node.args
        taken = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        said = [one.annotation for one in taken if one is not None]
        return [one for one in (*said, node.returns) if one is not None]
    fields = [one for one in node.body if isinstance(one, ast.AnnAssign)]
    return [one.annotation for one in fields if not ast.unparse(one.target).startswith("_")]


def _untold(tree: ast.Module, aliases: set[str]) -> list[str]:
    """Who has to do with arrays and does not say of what shape."""
    found = []
    for name, node in _public(tree):
        words = {word for one in _annotations(node) for word in re.findall(r"\w+", ast.unparse(one))}
        if words & ({ARRAY} | aliases) and not SHAPE.search(ast.get_docstring(node) or ""):
            found.append(name)
    return found


def _trees() -> dict[str, ast.Module]:
    ours = {name: path for name, path in modules().items() if name.startswith(("workers", "service"))}
    return {name: ast.parse(path.read_text()) for name, path in ours.items()}


def test_whoever_takes_or_gives_an_array_says_of_what_shape() -> None:
    trees = _trees()
    aliases = _aliases(list(trees.values()))
    assert {"Matrix", "Plane"} <= aliases
    untold = {f"{name}.{word}" for name, tree in trees.items() for word in _untold(tree, aliases)}
    assert not untold


def test_what_has_three_channels_says_in_which_order() -> None:
    unordered = {
        f"{name}.{getattr(node, 'name', '')}"
        for name, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, Documented | ast.Module) and (told := ast.get_docstring(node))
        if COLOURED.search(told) and not re.search("BGR|RGB", told)
    }
    assert not unordered


def test_no_annotation_leaves_open_what_numbers_an_array_holds() -> None:
    bare = {
        f"{name}: {ast.unparse(one)}"
        for name, tree in _trees().items()
        for node in ast.walk(tree)
        if isinstance(node, Documented)
        for one in _annotations(node)
        if re.search(r"\bndarray\b|NDArray(?!\[)", ast.unparse(one))
    }
    assert not bare


@pytest.mark.parametrize(
    "code",
    [
        'def grey(image: NDArray[np.uint8]) -> int:\n    """Return the mean of `image`."""',
        'def grey() -> NDArray[np.uint8] | None:\n    """Return an image, BGR."""',
        'def turn(by: Matrix) -> None:\n    """Turn (as far as it goes) by `by`."""',
        "class Area:\n    mask: NDArray[np.uint8]",
        'class Area:\n    def __init__(self, mask: NDArray[np.uint8]) -> None:\n        """Take it."""',
        'def grey(*images: NDArray[np.uint8]) -> int:\n    """Return the mean (h) of `images`."""',
    ],
)
def test_the_audit_sees_what_is_untold(code: str) -> None:
    assert len(_untold(ast.parse(code), {"Matrix"})) == 1


def test_the_audit_is_content_with_what_is_told() -> None:
    told = 'def grey(image: NDArray[np.uint8]) -> int:\n    """Return the mean of `image`, (h, w) or (h, w, 3) BGR."""'
    assert not _untold(ast.parse(f"{told}\n\ndef _own(image: NDArray[np.uint8]) -> int: ..."), set())
