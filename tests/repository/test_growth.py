"""What is to be added has one place: one of each kind is added in a folder of its own, and works."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.support.contract import raw
from tests.support.installed import code_of, install_copy
from tests.support.running import CHECKOUT, serving

pytestmark = pytest.mark.long

DOCUMENT = (CHECKOUT / "docs" / "modules.md").read_text()
EXAMPLE = dict(re.findall(r"`([\w/.]+)`:\n\n```\w+\n(.*?)```", DOCUMENT, flags=re.DOTALL))
PROJECT = re.findall(r"```toml\n(\[project\]\nname = \"Tiles\".*?)```", DOCUMENT, flags=re.DOTALL)[0]


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A server's Python that packages may be installed beside."""
    return install_copy(tmp_path / "here")


def install(python: Path, files: dict[str, str]) -> None:
    """Install a package as pip does: its files, and its entry points."""
    code = code_of(python.parents[1])
    project = tomllib.loads(files["pyproject.toml"])["project"]
    for name, content in files.items():
        if name.endswith(".py"):
            (code / name).parent.mkdir(exist_ok=True)
            (code / name).write_text(content)
    about = code / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in named.items())
        for group, named in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(points))


def write(folder: Path, toml: str) -> Path:
    folder.mkdir()
    (folder / "framemill.toml").write_text(toml)
    return folder


def checked(python: Path, project: Path) -> subprocess.CompletedProcess[str]:
    command = [str(python), str(python.with_name("framemill")), "check", str(project)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)


def test_the_module_of_the_documents_works_as_printed(python: Path, tmp_path: Path) -> None:
    install(python, EXAMPLE)
    project = write(tmp_path / "p", PROJECT)
    tile = np.full((40, 60, 3), 200, np.uint8)
    tile[10:20, 30:36] = 70
    with serving(project, "--workers", "1", python=python) as server, server.client() as client:
        path, body = raw(tile)
        context = client.post(path, content=body).json()
        assert context["result"] is False
        (rectangle,) = context["detectedRectangles"]
        assert [rectangle[key] for key in ("x", "y", "width", "height", "area")] == [30, 10, 6, 10, 60]
        assert rectangle["source"] == {"modelId": 0, "moduleId": 1, "type": "CODE"}
        path, body = raw(np.full((40, 60, 3), 200, np.uint8))
        assert client.post(path, content=body).json()["result"] is True


def test_the_mistakes_of_an_installed_modules_options_are_told_with_all_others(python: Path, tmp_path: Path) -> None:
    install(python, EXAMPLE)
    done = checked(python, write(tmp_path / "p", PROJECT.replace("level = 80", "level = 300\narea = 5") + "x = 1"))
    told = done.stdout + done.stderr
    assert done.returncode == 3
    assert "flow[0].level: should be less than or equal to 254, got 300" in told
    assert "flow[0].area: is unknown; known are module, name, enabled, limit_ms, level, min_area_px" in told


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (
            {"dark_spots/__init__.py": "import nowhere"},
            "cannot be imported: ModuleNotFoundError: No module named 'nowhere'",
        ),
        ({"dark_spots/__init__.py": "KIND = 5"}, "cannot be imported: TypeError: dark_spots:KIND is a int"),
    ],
)
def test_a_module_that_cannot_be_imported_is_a_mistake_of_who_names_it_and_a_warning_else(
    python: Path, tmp_path: Path, changed: dict[str, str], why: str
) -> None:
    install(python, EXAMPLE | changed)
    done = checked(python, write(tmp_path / "p", PROJECT))
    assert done.returncode == 3
    assert f"flow[0].module: the installed package dark-spots 1.0 {why}" in done.stdout + done.stderr
    done = checked(python, write(tmp_path / "other", PROJECT.partition("[[flow]]")[0]))
    assert done.returncode == 0
    assert f"the module dark_spots cannot be used: the installed package dark-spots 1.0 {why}" in done.stderr


def test_a_name_that_is_taken_is_told_too(python: Path, tmp_path: Path) -> None:
    install(python, EXAMPLE | {"pyproject.toml": EXAMPLE["pyproject.toml"].replace("dark_spots =", "parallel =")})
    done = checked(python, write(tmp_path / "p", PROJECT.partition("[[flow]]")[0]))
    assert done.returncode == 0
    assert "the module parallel cannot be used: the installed package dark-spots 1.0 has one of a name" in done.stderr
    done = checked(python, write(tmp_path / "q", PROJECT.replace("dark_spots", "parallel")))
    assert done.returncode == 3


def test_a_module_that_cannot_be_prepared_is_a_mistake_with_its_place(python: Path, tmp_path: Path) -> None:
    install(python, EXAMPLE | {"dark_spots/module.py": "def prepare(options, surroundings):\n    1 / 0\n"})
    done = checked(python, write(tmp_path / "p", PROJECT))
    assert done.returncode == 3
    assert "flow[0]: ZeroDivisionError: division by zero" in done.stdout + done.stderr


def test_a_command_is_a_file(python: Path) -> None:
    commands = code_of(python.parents[1]) / "service" / "cli" / "commands"
    code = 'import click\n\n@click.command()\ndef greet():\n    """Say something."""\n    click.echo("good morning")\n'
    (commands / "greet.py").write_text(code)
    for arguments, said in ((["greet"], "good morning\n"), (["--help"], "  greet")):
        done = subprocess.run(
            [python, python.with_name("framemill"), *arguments], capture_output=True, text=True, check=True
        )
        assert said in done.stdout


def test_a_counter_is_a_row_and_a_call(python: Path, tmp_path: Path) -> None:
    code = code_of(python.parents[1])
    table = code / "workers" / "memory" / "counters.py"
    row = '    Counter("frames", "greeted", "framemill_frames_greeted", "Frames that were greeted"),\n'
    table.write_text(table.read_text().replace('    _outcome("ok"),\n', f'    _outcome("ok"),\n{row}'))
    story = code / "service" / "analysis" / "analyze.py"
    call = '        self.counters.count("frames.greeted")\n        self.counters.answered('
    story.write_text(story.read_text().replace("        self.counters.answered(", call))
    with serving(write(tmp_path / "p", '[project]\nname = "p"\n'), python=python) as server, server.client() as client:
        path, body = raw(np.zeros((4, 6, 3), np.uint8))
        for _ in range(3):
            assert client.post(path, content=body).status_code == 200
        assert server.status()["frames"]["greeted"] == 3
        assert "framemill_frames_greeted_total 3.0" in client.get("/metrics").text


PAGE = """
class Greeting:
    def on_get(self, req, resp):
        resp.text = f"good morning, {req.context.client}"

    def on_post(self, req, resp):
        resp.text = "changed"
"""


def test_a_route_is_a_row(python: Path, tmp_path: Path) -> None:
    code = code_of(python.parents[1])
    (code / "service" / "api" / "greeting.py").write_text(PAGE)
    app = code / "service" / "server" / "app.py"
    row = '    yield Route("/greeting", Greeting(), changes=Scope.ADMIN)\n    yield Route("/livez"'
    with_row = app.read_text().replace('    yield Route("/livez"', row)
    app.write_text(
        with_row.replace(
            "from service.api.health", "from service.api.greeting import Greeting\nfrom service.api.health"
        )
    )
    project = write(tmp_path / "p", '[project]\nname = "p"\n')
    keys = tmp_path / "keys.toml"
    command = [python, python.with_name("framemill"), "keys", "add", "cam", "--scope", "analyze", "--file", keys]
    made = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout
    key = re.search(r"fm_\S+", made)
    assert key is not None
    with serving(project, "--keys-file", str(keys), python=python) as server, server.client() as client:
        asked = {"Authorization": f"Bearer {key[0]}"}
        assert client.get("/greeting").status_code == 401
        assert client.get("/greeting", headers=asked).text == "good morning, cam"
        assert client.post("/greeting", headers=asked).status_code == 403
        elsewhere = {**asked, "Origin": "http://elsewhere.example"}
        assert client.post("/greeting", headers=elsewhere).json()["detail"].startswith("this can be asked for by")
