"""The Process switch: thrown anywhere, it reaches every front at once, holds over a restart, and answers as agreed."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import png
from running import Server, serving, write_project

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


@pytest.mark.long
def test_a_state_file_that_cannot_be_read_means_on(tmp_path: Path) -> None:
    project = _project(tmp_path / "p")
    (project / ".framemill").mkdir()
    (project / ".framemill" / "process.json").write_text("{not json")
    with serving(project) as server:
        assert server.status()["process"] is True
