"""The Process switch: thrown anywhere, it reaches every front at once, holds over a restart, and answers as agreed."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from service.access.heirloom import Heirloom
from service.api.switch import ProcessSwitch
from tests.support.pictures import png
from tests.support.running import Server, serving, write_project
from workers.errors import SwitchNotKept

OFF_KEYS = {"error", "imageShape", "processing", "processingTime", "save"}
CODE = "import os\ndef main(context):\n    open(os.environ['FRAMEMILL_DATA'] + '/ran', 'a').write('x')\n"


def _project(folder: Path) -> Path:
    return write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=CODE)


def _throw(client: httpx.Client, *, on: bool) -> None:
    assert client.put("/api/v1/process", json={"process": on}).json() == {"process": on}


def _off_answer(answer: httpx.Response) -> None:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "ImageLen" not in answer.headers
    assert "ContextBase64utf" not in answer.headers
    context = answer.json()
    assert context.keys() == OFF_KEYS
    assert context["imageShape"] == {"height": 48, "width": 64}
    assert isinstance(context.pop("processingTime"), float)
    assert (context["error"], context["processing"], context["save"]) == (False, False, False)


@pytest.mark.parametrize("kind", ["context", "image", "annotated_image", "heatmap"])
def test_while_it_is_off_every_analysis_answers_the_same_bare_json(
    server: Server, client: httpx.Client, scene: NDArray[np.uint8], kind: str
) -> None:
    _throw(client, on=False)
    try:
        for query in ({}, {"context_in_body": ""}):
            asked = {**query, "response_type": kind}
            _off_answer(client.post("/analyze_image", params=asked, content=png(scene)))
            sizes = {**asked, "width": "64", "height": "48"}
            _off_answer(client.post("/analyze_raw_image", params=sizes, content=scene.tobytes()))
    finally:
        _throw(client, on=True)
    assert client.post("/analyze_image", content=png(scene)).json()["processing"] is True
    assert server.status()["process"] is True


@pytest.mark.long
def test_while_it_is_off_bad_frames_are_still_refused_and_no_user_code_runs(
    tmp_path: Path, scene: NDArray[np.uint8]
) -> None:
    project = _project(tmp_path / "p")
    with serving(project) as server, server.client() as client:
        _throw(client, on=False)
        assert client.post("/analyze_image", content=png(scene)[:500]).status_code == 422
        assert client.post("/analyze_image", content=png(scene)).status_code == 200
        assert not (project / "data" / "ran").exists()
        assert client.get("/last_image").status_code == 404


@pytest.mark.long
def test_it_reaches_all_fronts_at_once_and_holds_over_a_restart(tmp_path: Path, scene: NDArray[np.uint8]) -> None:
    project = _project(tmp_path / "p")
    with serving(project, "--fronts", "3") as server:
        # a connection stays with its front, so many of them reach all fronts
        clients = [server.client() for _ in range(24)]
        for on in (False, True, False):
            _throw(clients[0], on=on)
            seen = {client.post("/analyze_image", content=png(scene)).json()["processing"] for client in clients}
            assert seen == {on}
        for client in clients:
            client.close()
    with serving(project, "--fronts", "2") as server, server.client() as client:
        assert client.get("/api/v1/process").json() == {"process": False}
        assert client.post("/analyze_image", content=png(scene)).json()["processing"] is False
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["reasons"] == ["the Process switch is off"]
        assert client.get("/livez").status_code == 200
        _throw(client, on=True)
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("body", [b"", b"on", b"[]", b'{"process": "on"}', b'{"process": 1}', b"{}"])
def test_a_body_that_is_not_a_switch_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.put("/api/v1/process", content=body)
    assert answer.status_code == 400
    assert '{"process": true}' in answer.json()["detail"]


@pytest.mark.parametrize("content", [b"", b"{not json", b"[]", b"{}", b'{"process": 1}', b'{"process": tr'])
def test_a_damaged_state_file_means_off_until_it_is_switched_on_and_everybody_is_told(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "process.json").write_bytes(content)
    switch = ProcessSwitch(Heirloom.create(), tmp_path)
    switch.begin(inherited=False)
    assert not switch.is_on
    assert "is damaged" in switch.why_off
    switch.throw(on=True)
    assert (switch.is_on, switch.why_off) == (True, "")
    switch.throw(on=False)
    assert (switch.is_on, switch.why_off) == (False, "")


@pytest.mark.long
def test_the_page_the_log_and_readyz_say_that_nobody_knows_how_it_was_left(
    tmp_path: Path, scene: NDArray[np.uint8]
) -> None:
    project = _project(tmp_path / "p")
    (project / ".framemill").mkdir()
    (project / ".framemill" / "process.json").touch()
    with serving(project) as server, server.client() as client:
        assert any("the Process switch stays off until it is switched on" in line for line in server.log)
        _off_answer(client.post("/analyze_image", content=png(scene)))
        assert "its file process.json is damaged" in client.get("/").text
        assert "its file process.json is damaged" in client.get("/readyz").json()["reasons"][0]
        _throw(client, on=True)
        assert "process.json" not in client.get("/").text
        assert client.get("/readyz").status_code == 200


def test_a_switch_that_was_never_thrown_is_on(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "not" / "there"):
        switch = ProcessSwitch(Heirloom.create(), folder)
        switch.begin(inherited=False)
        assert switch.is_on


@pytest.mark.long
def test_thrown_by_many_at_once_in_several_fronts_file_and_memory_agree(tmp_path: Path) -> None:
    project = _project(tmp_path / "p")
    file = project / ".framemill" / "process.json"
    with serving(project, "--fronts", "2", "--workers", "1") as server, ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(8)]  # a connection stays with its front
        threads = stack.enter_context(ThreadPoolExecutor(8))
        for _ in range(30):
            thrown = threads.map(lambda pair: _throw_any(*pair), zip(clients, [True, False] * 4, strict=True))
            assert list(thrown) == [200] * 8
            seen = {client.get("/api/v1/process").json()["process"] for client in clients}
            assert seen == {json.loads(file.read_bytes())["process"]}


def _throw_any(client: httpx.Client, on: bool) -> int:
    return client.put("/api/v1/process", json={"process": on}).status_code


class _DiesBetween(ProcessSwitch):
    """Is killed once the file is written, before the word is."""

    def _set(self, *, on: bool, unknown: bool) -> None:
        del on, unknown
        os.kill(os.getpid(), signal.SIGKILL)


def test_one_who_is_killed_while_throwing_it_leaves_file_and_memory_the_same(tmp_path: Path) -> None:
    heirloom = Heirloom.create()
    switch = ProcessSwitch(heirloom, tmp_path)
    switch.begin(inherited=False)
    dying = _DiesBetween(heirloom, tmp_path)
    child = multiprocessing.get_context("fork").Process(target=dying.throw, kwargs={"on": False})
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert json.loads((tmp_path / "process.json").read_bytes()) == {"process": False}
    assert switch.is_on
    switch.settle()
    assert not switch.is_on
    switch.throw(on=True)
    switch.settle()
    assert switch.is_on


def test_it_is_not_settled_under_the_hands_of_one_who_throws_it_and_nobody_waits_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.api.switch._PATIENCE_S", 0.1)
    heirloom = Heirloom.create()
    switch = ProcessSwitch(heirloom, tmp_path)
    switch.begin(inherited=False)
    begun = multiprocessing.get_context("fork").Event()
    child = multiprocessing.get_context("fork").Process(target=_hold, args=(heirloom, begun))
    child.start()
    assert begun.wait(60)
    heirloom.words[3] = 1  # under way
    (tmp_path / "process.json").write_text('{"process": false}')
    switch.settle()
    assert switch.is_on
    with pytest.raises(SwitchNotKept, match="too long"):
        switch.throw(on=False)
    child.kill()
    child.join(60)
    switch.settle()
    assert not switch.is_on


def _hold(heirloom: Heirloom, begun: Any) -> None:
    with heirloom.locked(60):
        begun.set()
        signal.pause()


def test_a_server_that_follows_has_the_same_switch_and_keeps_it_in_its_own_folder(tmp_path: Path) -> None:
    heirloom = Heirloom.create()
    before, after = (ProcessSwitch(heirloom, tmp_path / name) for name in ("one", "two"))
    before.begin(inherited=False)
    before.throw(on=False)
    after.begin(inherited=True)
    assert not after.is_on
    assert json.loads((tmp_path / "two" / "process.json").read_bytes()) == {"process": False}
    after.throw(on=True)
    assert before.is_on
