"""gunicorn is changed in one place, and is its own until that is asked to."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.repository.house import inside, modules
from tests.support.running import CHECKOUT

# what changes a dict without naming an entry of it by brackets
DICT_CHANGES = {"update", "setdefault", "pop", "popitem", "clear", "__setitem__"}


def _root(node: ast.expr) -> str:
    """The name that an expression begins with: `wsgi` of `wsgi.Response.write` and of `vars(wsgi)["Response"]`."""
    while True:
        if isinstance(node, ast.Attribute | ast.Subscript | ast.Starred):
            node = node.value
        elif isinstance(node, ast.Call):
            asked = isinstance(node.func, ast.Name) and node.func.id in {"vars", "getattr"} and node.args
            node = node.args[0] if asked else node.func
        else:
            return node.id if isinstance(node, ast.Name) else ""


def _changes_of_gunicorn(tree: ast.Module) -> list[str]:
    """What in a module gives an attribute of gunicorn's modules and classes, under whatever name, another value."""
    theirs = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias for alias in node.names if inside(alias.name, {"gunicorn"})]
            theirs |= {alias.asname or alias.name.partition(".")[0] for alias in names}
        elif isinstance(node, ast.ImportFrom) and node.module and inside(node.module, {"gunicorn"}):
            theirs |= {alias.asname or alias.name for alias in node.names}
    found = []
    for node in ast.walk(tree):
        changed: list[ast.expr] = []
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            changed = [node]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"setattr", "delattr"}:
            changed = node.args[:1]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DICT_CHANGES:
            inner = node.func.value
            if ast.unparse(inner).endswith("__dict__") or ast.unparse(inner).startswith("vars("):
                changed = [inner]
        found += [ast.unparse(one) for one in changed if _root(one) in theirs]
    return found


def test_gunicorn_is_changed_in_one_place() -> None:
    changing = {
        name
        for name, path in modules().items()
        if not name.startswith("tests") and _changes_of_gunicorn(ast.parse(path.read_text()))
    }
    assert changing == {"service.wire.install"}


@pytest.mark.parametrize(
    "line",
    [
        "wsgi.Response = OneWrite",
        "gunicorn.http.wsgi.Response = OneWrite",
        "RequestParser.mesg_class: type = NotedHead",
        "unused, wsgi.Response = 1, OneWrite",
        "Aliased.x += 1",
        "del wsgi.Response",
        "setattr(wsgi, 'Response', OneWrite)",
        "setattr(wsgi.Response, 'write', write)",
        "vars(wsgi)['Response'] = OneWrite",
        "wsgi.__dict__.update(Response=OneWrite)",
        "def install():\n    wsgi.Response = OneWrite",
    ],
)
def test_the_audit_sees_every_change(line: str) -> None:
    known = "import gunicorn\nfrom gunicorn.http import wsgi, parser as Aliased, RequestParser\n"
    assert _changes_of_gunicorn(ast.parse(known + line))
    assert not _changes_of_gunicorn(
        ast.parse(known + "self.wsgi = wsgi.Response\nwsgi = 1\nconn.parser = RequestParser(1)")
    )


# what of gunicorn is ours, in a process that has imported a front and, with an argument, installed what it needs
_OURS_IN_GUNICORN = """
import inspect, sys
import service.server.front, service.threads.malformed
if sys.argv[1:]:
    service.server.front.install()
    service.server.front.install()
def is_ours(value):
    return str(getattr(value, "__module__", "")).startswith(("service.", "workers."))
found = set()
for name, module in list(sys.modules.items()):
    if name.partition(".")[0] == "gunicorn":
        for word, value in vars(module).items():
            if is_ours(value):
                found.add(f"{name}.{word}")
            if inspect.isclass(value) and value.__module__ == name:
                found |= {f"{name}.{word}.{attribute}" for attribute, held in vars(value).items() if is_ours(held)}
print(*sorted(found), sep="\\n")
"""


def test_gunicorn_is_its_own_until_ours_is_installed() -> None:
    def ours(*arguments: str) -> list[str]:
        command = [sys.executable, "-c", _OURS_IN_GUNICORN, *arguments]
        return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.split()

    assert ours() == []
    assert ours("install") == [
        "gunicorn.http.message.ChunkedReader",
        "gunicorn.http.parser.RequestParser.mesg_class",
        "gunicorn.http.wsgi.Response",
    ]
