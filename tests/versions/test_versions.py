"""Every worker runs what was loaded, whatever is on disk by then, and says which version that is."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.faults import FRAME, RAW, children_of, is_gone, post, until
from tests.support.running import Server, serving
from tests.support.versions import CHECK, kill_all_workers, next_edition, template_of, under_load, versioned, workers_of


@pytest.fixture(name="server", scope="module")
def versioned_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Its project is reached through a link, as sites do that keep several side by side."""
    folder = tmp_path_factory.mktemp("versions")
    versioned(folder / "first")
    (folder / "now").symlink_to("first")
    with serving(folder / "now") as running:
        yield running


def _syntax_error(project: Path) -> None:
    (project / "code" / "check.py").write_text("def main(context:\n")


def _half_saved(project: Path) -> None:
    (project / "code" / "check.py").write_text(CHECK[: len(CHECK) // 2])


def _moved(project: Path) -> None:
    project.resolve().rename(project.resolve().with_name("elsewhere"))


def _turned(project: Path) -> None:
    other = shutil.copytree(project, project.with_name("second"), ignore=shutil.ignore_patterns(".framemill"))
    next_edition(other, 3)
    project.unlink()
    project.symlink_to("second")


def _deleted(project: Path) -> None:
    shutil.rmtree(project / "code")
    shutil.rmtree(project / "references")
    (project / "framemill.toml").unlink()


WAYS: list[Callable[[Path], None]] = [
    _syntax_error,
    lambda project: next_edition(project, 2),
    _half_saved,
    _moved,
    _turned,
    _deleted,
]


@pytest.fixture(name="kept")
def put_back(server: Server) -> Iterator[Path]:
    """The project, which is as it was afterwards."""
    folder = server.project.parent
    shutil.copytree(folder / "first", folder / "kept", ignore=shutil.ignore_patterns(".framemill"))
    yield server.project
    server.project.unlink()
    if (folder / "elsewhere").exists():
        (folder / "elsewhere").rename(folder / "first")
    shutil.copytree(folder / "kept", folder / "first", dirs_exist_ok=True)
    shutil.rmtree(folder / "kept")
    server.project.symlink_to("first")


@pytest.mark.parametrize("change", WAYS, ids=["syntax", "edit", "half", "moved", "turned", "deleted"])
def test_whatever_happens_on_disk_a_replaced_worker_runs_what_was_loaded(
    server: Server, kept: Path, change: Callable[[Path], None]
) -> None:
    version = server.status()["flowVersion"]
    with under_load(server) as line:
        until(lambda: len(line.answers) > 10)
        change(kept)
        kill_all_workers(server)
        sent = len(line.answers)
        until(lambda: len(line.answers) > sent + 20)
    assert {context["flowVersion"] for context in line.contexts} == {version}
    assert {(context["limit"], *context["numbers"]) for context in line.contexts} == {(1, 1, 1)}
    assert not any(context["errors"] for context in line.contexts)
    assert server.process.poll() is None
    assert server.status()["flowVersion"] == version


def test_an_error_is_told_by_the_name_that_its_author_knows(server: Server) -> None:
    (entry,) = post(server, "raise").json()["errors"]
    assert (entry["file"], entry["line"], entry["type"]) == ("code/helper.py", 5, "ZeroDivisionError")


def test_a_killed_template_is_made_again_while_its_workers_go_on(server: Server, kept: Path) -> None:
    workers = workers_of(server)
    next_edition(kept, 2)
    with under_load(server) as line:
        for _ in range(3):
            template = template_of(server)
            os.kill(template, signal.SIGKILL)
            until(lambda template=template: is_gone(template))  # type: ignore[misc]
        template_of(server)
        assert workers_of(server) == workers
        kill_all_workers(server)
    assert {(context["limit"], *context["numbers"]) for context in line.contexts} == {(1, 1, 1)}
    assert any("another is made from the copy" in said for said in server.log)


def test_workers_that_die_with_their_template_come_back_with_the_next(server: Server) -> None:
    dead = {template_of(server), *workers_of(server)}
    with under_load(server) as line:
        for pid in dead:
            os.kill(pid, signal.SIGKILL)
        until(lambda: not dead & set(children_of(server.process.pid)))
        until(lambda: server.status()["workers"]["ready"] == 2)
    assert line.contexts


def test_a_template_maps_no_frames_and_has_one_thread(server: Server) -> None:
    template = template_of(server)
    assert "memfd:framemill" not in Path(f"/proc/{template}/maps").read_text()
    assert len(list(Path(f"/proc/{template}/task").iterdir())) == 1
    worker = workers_of(server).pop()
    assert "memfd:framemill" in Path(f"/proc/{worker}/maps").read_text()


def test_the_version_is_said_in_the_context_the_status_the_metrics_and_on_the_page(server: Server) -> None:
    version = server.status()["flowVersion"]
    assert len(version) == 16
    assert int(version, 16)
    assert post(server, "other").json()["flowVersion"] == version
    with server.client() as client:
        assert f'framemill_flow_info{{version="{version}"}} 1.0' in client.get("/metrics").text
        assert f"<code>{version}</code>" in client.get("/").text
        client.post(f"{RAW}&data=other", content=FRAME)
        shown = client.get("/last_image?response_type=context").json()
        assert shown["flowVersion"] == version


@pytest.mark.long
def test_a_change_on_disk_is_noticed_and_what_a_reload_would_do_is_said(server: Server, kept: Path) -> None:
    assert until(lambda: server.status()["projectOnDisk"] == "same")
    os.utime(kept / "code" / "helper.py")
    until(lambda: server.status()["projectOnDisk"] == "same")
    (kept / "data" / "list.csv").write_text("data is no part of it")
    (kept / "code" / "limits.csv").write_text("7")
    (kept / "code" / "new.py").write_text("")
    status = until(lambda: (s := server.status()) and s["projectOnDisk"] == "differs" and s)
    assert status["changedFiles"] == ["code/limits.csv", "code/new.py"]
    with server.client() as client:
        assert "code/limits.csv, code/new.py" in client.get("/").text
        assert "framemill_project_differs 1.0" in client.get("/metrics").text
    _syntax_error(kept)
    status = until(lambda: (s := server.status()) and s["projectOnDisk"] == "invalid" and s)
    assert "code/check.py: line 1" in status["projectMistakes"][0]
    (kept / "code" / "new.py").unlink()
