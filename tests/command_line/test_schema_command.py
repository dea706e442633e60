"""`framemill schema` as an editor's user meets it, and what docs/editor.md says of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import pytest

from tests.support.running import CHECKOUT
from workers.flow.project import load_project

BOARD = CHECKOUT / "deploy" / "projects" / "board"
PAGE = (CHECKOUT / "docs" / "editor.md").read_text()


def schema(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.cli", "schema", *arguments]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("arguments", [(), (str(BOARD),)])
def test_what_it_prints_is_a_schema_that_the_example_follows(arguments: tuple[str, ...]) -> None:
    done = schema(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    validator = jsonschema.Draft7Validator(json.loads(done.stdout))
    validator.check_schema(validator.schema)
    tables = tomllib.loads((BOARD / "framemill.toml").read_text())
    assert validator.is_valid(tables)
    assert not validator.is_valid({**tables, "flow": [{"module": "cod"}]})
    assert ("references/board.png" in done.stdout) is bool(arguments)


def test_a_folder_that_is_not_there_is_told() -> None:
    done = schema("nowhere")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nowhere" in done.stderr


def test_the_page_for_editors_is_so(tmp_path: Path) -> None:
    (command,) = re.findall(r"```sh\nframemill (.*?)\n```", PAGE)
    words, _, target = command.partition(" > ")
    assert words == "schema PROJECT"
    project = tmp_path / "project"
    shutil.copytree(BOARD, project)
    Path(target.replace("PROJECT", str(project))).write_text(schema(str(project)).stdout)
    (first, *_) = re.findall(r"```toml\n(.*?)```", PAGE, flags=re.DOTALL)[0].splitlines()
    file = project / "framemill.toml"
    file.write_text(f"{first}\n{file.read_text()}")
    assert load_project(project).steps
    assert (project / first.removeprefix("#:schema ")).is_file()
