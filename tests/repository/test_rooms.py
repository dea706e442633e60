"""The house: one arrow between the packages, rooms in one order, no circle in a room, no pixels in a front."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.repository.house import imports, imports_of_ours, inside, modules, room_of
from tests.support.running import CHECKOUT
from workers.flow.registry import OURS

ROOMS = (CHECKOUT / "tests" / "rooms.txt").read_text().split()
MOST_FILES = 12
LONGEST_CLASS = 150
# a room may be longer where its entries are alike
LONGER = {"bench", "service.cli.commands", "tests.modules", "tests.soak"}

# what else of `workers` may be known to what speaks HTTP, beside rooms that put the server together
KNOWN_TO_HTTP = {
    "workers",
    "workers.memory",
    "workers.admission",
    "workers.pool",
    "workers.pixels.pixel_format",
    "workers.flow.project",
    "workers.flow.inputs",
    "workers.flow.overrides",
    "workers.modules.options",
    "workers.versions.on_disk",
}
PUTS_TOGETHER = {
    "service.beside",
    "service.server",
    "service.trial",
    "service.tryout",
    "service.compared",
    "service.taught",
    "service.cli",
    "service.cli.history",
    "service.cli.commands",
}
KNOWS_GUNICORN = {"service.wire", "service.connections", "service.threads", "service.server.front"}
OPENCV = {
    "workers.containment.surroundings",  # its threads and random numbers are user code's to change
    "workers.gate",
    "workers.mending",
    "workers.pixels",
    "workers.calibration",
    "workers.training",
    "workers.modules",
    "workers.flow",
    "workers.context",
    "workers.pictures",
    "workers.worker",
    "workers.trying",
    "workers.programs",
    "workers.teaching",
}


def test_every_room_is_in_the_list_once_and_has_its_sentence() -> None:
    rooms = [room_of(name) for name in modules()]
    assert sorted(ROOMS) == sorted(set(rooms))
    for room in ROOMS:
        assert ast.get_docstring(ast.parse(modules()[room].read_text())), f"{room} says not what it is"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_above_it(room: str) -> None:
    here = [name for name in modules() if room_of(name) == room]
    order = {name: ROOMS.index(name) for name in ROOMS}
    below = {
        f"{name} imports {other}"
        for name in here
        for other in imports_of_ours(name)
        if order[room_of(other)] > order[room]
    }
    assert not below


@pytest.mark.parametrize("room", ROOMS)
def test_there_is_no_circle_in_a_room(room: str) -> None:
    here = {name for name in modules() if room_of(name) == room}
    try:
        TopologicalSorter({name: imports_of_ours(name) & here - {name} for name in here}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("room", sorted(set(ROOMS) - LONGER))
def test_a_room_has_no_more_files_than_one_can_overlook(room: str) -> None:
    files = [name for name in modules() if room_of(name) == room and name != room]
    assert len(files) <= MOST_FILES, files


def test_no_python_file_has_outgrown_its_reader() -> None:
    long = {name: n for name, path in modules().items() if (n := len(path.read_text().splitlines())) > 300}
    assert not long


def test_no_class_has_outgrown_its_reader() -> None:
    long = {
        f"{name}.{node.name}": lines
        for name, path in modules().items()
        if name.startswith(("workers", "service"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and (lines := 1 + (node.end_lineno or 0) - node.lineno) > LONGEST_CLASS
    }
    assert not long


def test_workers_never_import_the_service_and_neither_imports_tests_or_bench() -> None:
    for name in modules():
        foreign = {"workers": {"service", "bench", "tests"}, "service": {"bench", "tests"}}.get(name.partition(".")[0])
        if foreign:
            assert not {i for i in imports(name) if inside(i, foreign)}, name


def test_what_speaks_http_knows_little_of_the_workers() -> None:
    for name in modules():
        if name.startswith("service") and room_of(name) not in PUTS_TOGETHER:
            for other in imports_of_ours(name):
                known = other in KNOWN_TO_HTTP or room_of(other) in KNOWN_TO_HTTP
                assert known or not other.startswith("workers"), f"{name} imports {other}"


def test_gunicorn_is_known_where_connections_are() -> None:
    for name in modules():
        if name.startswith(("service", "workers")) and any(inside(i, {"gunicorn"}) for i in imports(name)):
            assert inside(name, KNOWS_GUNICORN), name


def test_opencv_is_known_from_the_gate_on() -> None:
    for name in modules():
        if name.startswith(("service", "workers")) and "cv2" in imports(name):
            assert inside(name, OPENCV), name


def _loaded_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_front_loads_no_opencv_and_no_numpy() -> None:
    loaded = _loaded_after("import service.server.front")
    assert "falcon" in loaded
    assert not {"cv2", "numpy", "simplejpeg", "fpng", "pyspng", "isal"} & loaded


def test_neither_a_front_nor_the_supervisor_loads_what_only_the_other_needs() -> None:
    assert "workers.flow.registry" not in _loaded_after("import service.server.front")
    loaded = _loaded_after("import service.cli.commands.serve, service.server.start")
    assert "workers.supervisor.supervisor" in loaded
    assert not {"falcon", "gunicorn", "jinja2", "httpx", "rich", "prometheus_client", "lark"} & loaded


def test_of_the_modules_those_are_loaded_that_a_project_has() -> None:
    loaded = _loaded_after(
        "import pathlib, workers.flow.project as p; p.load_project(pathlib.Path('deploy/projects/board'))"
    )
    options = {name for name in loaded if re.fullmatch(r"workers\.modules\.\w+\.options", name)}
    assert {name.split(".")[2] for name in options} - {"only_if"} == {"code", "reference"}


def test_of_our_modules_only_code_looks_at_files_that_no_module_names() -> None:
    theirs = {name for name, kind in OURS.items() if "mistakes_of_project" in vars(kind.options)}
    assert theirs == {name for name, kind in OURS.items() if kind.looks_at_all_files} == {"code"}


def test_a_worker_loads_no_http() -> None:
    loaded = _loaded_after("import workers.worker.worker")
    assert "cv2" in loaded
    assert not {"falcon", "gunicorn", "service", "jinja2", "httpx"} & loaded


def test_the_warm_process_has_one_thread_after_its_imports() -> None:
    code = "import os, workers.supervisor.supervisor; print(len(os.listdir('/proc/self/task')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_the_walk_through_the_house_passes_every_room() -> None:
    walk = (CHECKOUT / "ARCHITECTURE.md").read_text()
    rooms = [room for room in ROOMS if room.startswith(("workers.", "service.")) and room.count(".") == 1]
    assert [room for room in rooms if f"`{room.replace('.', '/')}" not in walk] == []
