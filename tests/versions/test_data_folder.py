"""Code writes into the data folder, and nowhere into its version; `check` names what reads beside itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.faults import post, until, whole
from tests.support.running import CHECKOUT, Server, serving, write_project
from workers.modules.code.beside import notes_on

OBEY = """
import os, pathlib, shutil
here = pathlib.Path(__file__).parent
data = pathlib.Path(os.environ["FRAMEMILL_DATA"])

def main(context):
    exec(context["data"], {**globals(), "context": context})
    context["pid"] = os.getpid()
"""
FLOW = '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("data") / "p"
    with serving(write_project(folder, FLOW, c=OBEY, other=""), "--workers", "1") as running:
        yield running


WRITES = [
    "open(here / 'list.csv', 'w')",
    "open(here / 'c.py', 'r+')",
    "open(here / 'c.py', 'ab')",
    "os.open(here / 'c.py', os.O_RDWR)",
    "os.open(bytes(here) + b'/c.py', os.O_WRONLY)",
    "os.chdir(here); open('list.csv', 'x')",
    "(here / '..' / 'code' / 'list.csv').write_text('1')",
    "(here / 'sub').mkdir()",
    "(here / 'other.py').unlink()",
    "(here / 'other.py').rename(data / 'other.py')",
    "(data / 'list.csv').touch(); os.replace(data / 'list.csv', here / 'other.py')",
    "(here / 'link').symlink_to('other.py')",
    "os.link(here / 'other.py', here / 'link')",
    "os.truncate(here / 'other.py', 0)",
    "os.chmod(here / 'other.py', 0o666)",
    "os.utime(here / 'other.py')",
    "shutil.rmtree(here)",
    "shutil.copy(here / 'c.py', here / 'other.py')",
]


@pytest.mark.parametrize("code", WRITES)
def test_what_writes_into_the_version_is_told_where_it_may(server: Server, code: str) -> None:
    context = post(server, code).json()
    (entry,) = context["errors"]
    assert entry["type"] == "PermissionError"
    assert f"write into the data folder, {server.project}/data" in entry["message"]
    assert (context["result"], entry["file"]) == (False, "code/c.py")
    assert post(server, "").json()["errors"] == []


def test_what_is_read_and_what_is_written_elsewhere_is_free(server: Server, tmp_path: Path) -> None:
    code = f"""
(data / "list.csv").write_text("7")
(data / "sub").mkdir(exist_ok=True)
open({str(tmp_path / "any")!r}, "w").close()
context["read"] = [open(here / "c.py").read(11), (data / "list.csv").read_text(), context["dataFolder"] == str(data)]
"""
    context = post(server, code).json()
    assert context["errors"] == []
    assert context["read"] == ["\nimport os,", "7", True]
    assert "dataFolder" not in context
    assert (server.project / "data" / "list.csv").read_text() == "7"


def test_what_another_system_writes_there_is_read_anew(server: Server) -> None:
    for number in range(3):
        (server.project / "data" / "limits.csv").write_text(str(number))
        code = "context['limit'] = int((data / 'limits.csv').read_text())"
        assert post(server, code).json()["limit"] == number


def test_the_copys_files_and_folders_are_read_only(server: Server) -> None:
    code = "context['modes'] = [oct(path.stat().st_mode & 0o777) for path in (here, here.parent, here / 'c.py')]"
    assert post(server, code).json()["modes"] == ["0o555", "0o555", "0o444"]


@pytest.mark.long
@pytest.mark.parametrize("where", ["kept", "../elsewhere", "absolute"])
def test_the_project_names_its_data_folder(tmp_path: Path, where: str) -> None:
    data = tmp_path / "far" if where == "absolute" else (tmp_path / "p" / where).resolve()
    named = str(data) if where == "absolute" else where
    project = write_project(tmp_path / "p", f'data = "{named}"\n{FLOW}', c=OBEY)
    with serving(project, "--workers", "1") as server:
        assert post(server, "(data / 'x').touch(); context['data_is'] = str(data)").json()["data_is"] == str(data)
        until(lambda: server.status()["projectOnDisk"] == "same")
    assert (data / "x").exists()
    assert not (project / "data").exists()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (".", "project.data: . holds code/, which is loaded once; name a folder without it"),
        ("..", "project.data: .. holds code/"),
        ("code", "project.data: code holds code/"),
        ("references", "flow[1].image: references/a.png lies in the data folder, which is no part of a version"),
    ],
)
def test_a_data_folder_that_holds_parts_of_the_version_is_a_mistake(tmp_path: Path, data: str, said: str) -> None:
    reference = '[[flow]]\nmodule = "reference"\nimage = "references/a.png"\n'
    project = write_project(tmp_path / "p", f'data = "{data}"\n{FLOW}{reference}', c=OBEY)
    (project / "references").mkdir()
    (project / "references" / "a.png").touch()
    done = check(project)
    assert done.returncode == 3
    assert said in done.stderr


def check(project: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli", "check", str(project)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=False)


READERS = {
    "open(pathlib.Path(__file__).parent / 'limits.csv')": "limits.csv",
    "pathlib.Path(__file__).with_name('limits.csv').read_text()": "limits.csv",
    "open(os.path.join(os.path.dirname(__file__), 'lists', 'limits.csv'))": "lists/limits.csv",
    "open(os.path.dirname(os.path.abspath(__file__)) + '/limits.csv')": "limits.csv",
    "open(HERE / 'limits.csv')": "limits.csv",
    "open(f'{HERE}/limits.csv')": "limits.csv",
    "(HERE.parent / 'tables' / 'limits.csv').read_text()": "tables/limits.csv",
}


@pytest.mark.parametrize("reads", READERS)
def test_check_names_files_that_read_beside_themselves(tmp_path: Path, reads: str) -> None:
    code = f"import os, pathlib\nHERE = pathlib.Path(__file__).resolve().parent\n\ndef main(context):\n    {reads}\n"
    (note,) = notes_on(write_project(tmp_path / "p", FLOW, c=code))
    assert note.startswith(f"code/c.py: line 5: reads {READERS[reads]} beside its file: it is part of the version")


@pytest.mark.long
@pytest.mark.parametrize("opens", ["open('limits.csv')", "pathlib.Path('limits.csv').read_text()"])
def test_check_names_files_that_open_relative_names(tmp_path: Path, opens: str) -> None:
    done = check(write_project(tmp_path / "p", FLOW, c=f"import pathlib\ndef main(context):\n    {opens}\n"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("note: code/c.py: line 3: reads limits.csv in the data folder, where workers are;")
    assert done.stdout.endswith("p: no mistakes\n")


def test_check_says_nothing_about_code_that_reads_its_data_folder(tmp_path: Path) -> None:
    code = """
        import os, pathlib

        def main(context):
            open(pathlib.Path(os.environ["FRAMEMILL_DATA"]) / "limits.csv")
            open(context["dataFolder"] + "/limits.csv")
            open("/etc/hostname")
            print(__file__, pathlib.Path(__file__).parent)
    """
    assert list(notes_on(write_project(tmp_path / "p", FLOW, c=textwrap.dedent(code)))) == []


def test_the_variable_of_the_data_folder_is_no_setting(tmp_path: Path) -> None:
    environment = {**os.environ, "FRAMEMILL_DATA": "/nowhere"}
    command = [sys.executable, "-m", "service.cli", "check", str(write_project(tmp_path / "p"))]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.long
def test_a_replay_finds_the_data_folder_too(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", FLOW, c=OBEY)
    (tmp_path / "frame.frame").write_bytes(bytes(16))
    asked = {"task": 0, "encoding": 0, "response": 0, "width": 4, "height": 4, "pixel_format": "Mono8"}
    asked["data"] = "context['data_is'] = [str(data), context['dataFolder']]"
    (tmp_path / "frame.json").write_text(json.dumps(asked))
    command = [sys.executable, "-m", "service.cli", "replay", str(project), str(tmp_path / "frame.frame"), "--json"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=False)
    context = json.loads(done.stdout)
    assert context["data_is"] == [f"{project}/data"] * 2
    with serving(project, "--workers", "1") as server:
        assert server.status()["flowVersion"] == context["flowVersion"]
        until(lambda: whole(server))
