"""What the documents print works as printed, and what they name exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from tests.support.running import CHECKOUT, Server, serving
from workers.flow.project import load_project

README = (CHECKOUT / "README.md").read_text()
EXAMPLES = [
    f"deploy/projects/{name}/README.md" for name in ("board", "gap", "label", "sleeve", "surface", "turned_parts")
]
DOCUMENTS = ["README.md", "ARCHITECTURE.md", "bench/README.md", *EXAMPLES]


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = tmp_path_factory.mktemp("board") / "board"
    shutil.copytree(CHECKOUT / "deploy" / "projects" / "board", project)
    with serving(project) as server:
        yield server


def _run(script: str, server: Server, folder: Path) -> str:
    """Run a block of a document in a copy of the checkout's folder, against `server` and with our own command."""
    script = script.replace("http://127.0.0.1:8000", server.url)
    script = re.sub(r"(\.venv/bin/)?framemill (?=send|process|reload)", f"{sys.executable} -m service.cli ", script)
    for name in ("deploy", "service", "workers"):
        (folder / name).symlink_to(CHECKOUT / name)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={**os.environ, "FRAMEMILL_URL": server.url},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_curl_lines_of_the_readme_work_as_printed(board: Server, tmp_path: Path) -> None:
    block = next(block for block in _blocks(README, "sh") if "curl" in block)
    said = _run(block, board, tmp_path)
    assert '"result":false' in said
    assert '"imageShape":{"height":48,"width":64}' in said
    assert said.endswith("off\non\n")
    for picture in ("annotated.png", "last.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


def test_the_lines_of_the_examples_readme_work_as_printed(board: Server, tmp_path: Path) -> None:
    text = (CHECKOUT / "deploy/projects/board/README.md").read_text()
    lines = "\n".join(_blocks(text, "sh")).replace("framemill serve deploy/projects/board\n", "")
    # bad parts are among the samples, so the command ends with 6
    said = _run(re.sub(r"(framemill send [^\n]*)", r"\1 || test $? = 6", lines), board, tmp_path)
    assert said.count("NOK ") == 4
    assert (tmp_path / "short.png").read_bytes().startswith(b"\x89PNG")


def test_the_sdk_lines_of_the_readme_work_as_printed(board: Server, tmp_path: Path) -> None:
    block = next(block for block in _blocks(README, "python") if "PekatVisionSDK" in block)
    script = block.replace("port=8000", f"port={board.port}")
    (tmp_path / "deploy").symlink_to(CHECKOUT / "deploy")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "False 1\n"


def test_the_project_of_the_readme_is_a_project_without_mistakes(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "framemill.toml").write_text(_blocks(README, "toml")[0])
    code = next(block for block in _blocks(README, "python") if "def main" in block)
    (tmp_path / "code" / "check.py").write_text(code)
    (tmp_path / "references").mkdir()
    shutil.copy(CHECKOUT / "deploy/projects/board/references/board.png", tmp_path / "references" / "a.png")
    project = load_project(tmp_path)
    assert [type(step.options).__name__ for step in project.steps] == ["ReferenceOptions", "CodeOptions"]


def test_the_settings_table_names_every_setting_and_no_other() -> None:
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    hidden = {"api_key"}  # a key in the environment works, and the file is what we recommend
    assert named == Settings.model_fields.keys() - hidden


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_files_that_documents_name_exist(name: str) -> None:
    text = re.sub(r"```.*?```", "", (CHECKOUT / name).read_text(), flags=re.DOTALL)
    folder = (CHECKOUT / name).parent
    named = re.findall(r"\]\(([\w./-]+)\)", text)
    named += re.findall(r"`((?:service|workers|tests|bench|deploy|docs)/[\w./-]+)`", text)
    missing = [path for path in named if not (folder / path).exists() and not (CHECKOUT / path).exists()]
    assert not missing


def test_every_word_of_make_is_explained() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    words = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE)) - {"help"}
    explained = set(re.findall(r"^([a-z-]+):.*## ", makefile, flags=re.MULTILINE))
    assert words <= explained
