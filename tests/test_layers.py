"""One arrow between the packages, one order of modules, and no pixels in a front; proven in fresh interpreters."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from running import CHECKOUT

# the reading order and the import order: a module may import only what stands above it
ORDER = [line.strip() for line in (CHECKOUT / "tests" / "layers.txt").read_text().splitlines() if line.strip()]


def _modules() -> dict[str, Path]:
    found = {}
    for package in ("workers", "service"):
        for path in (CHECKOUT / package).rglob("*.py"):
            parts = path.relative_to(CHECKOUT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _imports(path: Path, known: dict[str, Path]) -> set[str]:
    """Modules of ours that a file imports when it runs; what is there for types only does not count."""
    wanted: set[str] = set()
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            wanted |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            wanted |= {f"{node.module}.{alias.name}" for alias in node.names}
            wanted.add(node.module)
    return {name for name in wanted if name in known}


def test_every_module_has_its_place_in_the_order() -> None:
    assert sorted(ORDER) == sorted(_modules())


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_what_stands_above_it(name: str) -> None:
    known = _modules()
    packages = {"workers", "service", "workers.flow", "workers.modules"}  # these hold a docstring only
    below = {other for other in _imports(known[name], known) - packages if ORDER.index(other) >= ORDER.index(name)}
    assert not below, f"{name} imports what stands below it: {below}"


def test_workers_never_import_the_service() -> None:
    known = _modules()
    for name, path in known.items():
        if name.startswith("workers"):
            assert not {i for i in _imports(path, known) if i.startswith("service")}, name


def _loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_front_loads_no_opencv_and_no_numpy() -> None:
    loaded = _loaded_after("import service.server.front")
    assert "falcon" in loaded
    assert not {"cv2", "numpy", "simplejpeg", "fpng", "pyspng", "isal"} & loaded


def test_a_worker_loads_no_http() -> None:
    loaded = _loaded_after("import workers.worker.worker")
    assert "cv2" in loaded
    assert not {"falcon", "gunicorn", "service", "jinja2", "httpx"} & loaded


def test_the_warm_process_has_one_thread_after_its_imports() -> None:
    code = "import os, workers.worker.preload, workers.supervisor.supervisor; print(len(os.listdir('/proc/self/task')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_no_python_file_has_outgrown_its_reader() -> None:
    long = {p.name: n for p in _modules().values() if (n := len(p.read_text().splitlines())) > 300}
    assert not long
