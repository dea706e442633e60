"""A real server that keeps pictures: as their clients sent them, beside their records, whoever is killed or full."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.history.kept import printed
from tests.pictures_kept.pictured import RECORD, folder_of, get, send, settled, told
from tests.results.served import post, project_in
from tests.support.faults import until
from tests.support.running import Server, command, serving

pytestmark = pytest.mark.long

IMAGE = np.random.default_rng(1).integers(0, 255, (24, 32, 3), np.uint8)


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = project_in(tmp_path_factory.mktemp("pictures") / "p")
    formats = ("--formats", "jpeg,png,bmp")
    with serving(project, *RECORD, "--pictures", "nok", "--pictures-format", "png", *formats) as running:
        yield running


def _encoded(ending: str) -> bytes:
    return bytes(cv2.imencode(ending, IMAGE)[1])


@pytest.mark.parametrize(
    ("ending", "media_type"), [(".jpg", "image/jpeg"), (".png", "image/png"), (".bmp", "image/bmp")]
)
def test_a_file_is_kept_as_it_came(server: Server, ending: str, media_type: str) -> None:
    body = _encoded(ending)
    frame_id = send(server, "/analyze_image", body)
    picture = settled(server, frame_id)["picture"]
    assert (picture["kept"], picture["why"], picture["mediaType"]) == (True, "nok", media_type)
    assert (picture["width"], picture["height"], picture["bytes"]) == (32, 24, len(body))
    answer = get(server, f"/api/v1/frames/{frame_id}/picture")
    assert (answer.content, answer.headers["Content-Type"]) == (body, media_type)
    file = folder_of(server) / picture["file"]
    assert file.read_bytes() == body
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("pixel_format", "frame", "expected"),
    [
        ("Mono8", IMAGE[..., 0], IMAGE[..., 0]),
        ("BGR8", IMAGE, IMAGE),
        ("RGB8", IMAGE[..., ::-1], IMAGE),
        ("Mono12", IMAGE[..., 0].astype("<u2") << 4, IMAGE[..., 0]),
        ("BayerRG8", IMAGE[..., 0], cv2.cvtColor(IMAGE[..., 0], cv2.COLOR_BayerRGGB2BGR)),
    ],
)
def test_a_raw_frame_is_kept_as_its_pixels(server: Server, pixel_format: str, frame: Any, expected: Any) -> None:
    size = {"width": "32", "height": "24", "pixel_format": pixel_format}
    frame_id = send(server, "/analyze_raw_image", np.ascontiguousarray(frame).tobytes(), **size)
    picture = settled(server, frame_id)["picture"]
    assert (picture["mediaType"], picture["pixelFormat"]) == ("image/png", pixel_format)
    content = get(server, f"/api/v1/frames/{frame_id}/picture").content
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    assert np.array_equal(pixels, expected)


def test_which_are_kept_is_as_the_settings_say(server: Server) -> None:
    ok = post(server).json()["id"]
    nok = post(server, "nok").json()["id"]
    assert settled(server, nok)["picture"]["kept"]
    assert settled(server, ok)["picture"] is None
    answer = get(server, f"/api/v1/frames/{ok}/picture")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "no picture was to be kept" in answer.json()["detail"]


def test_what_a_browser_is_told_of_it_makes_it_harmless(server: Server) -> None:
    body = _encoded(".png")
    frame_id = send(server, "/analyze_image", body)
    settled(server, frame_id)
    path = f"/api/v1/frames/{frame_id}/picture"
    answer = get(server, path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "private" in answer.headers["Cache-Control"]
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Disposition"].startswith("inline")
    again = get(server, path, **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert get(server, f"{path}?download").headers["Content-Disposition"] == f'attachment; filename="{frame_id}.png"'
    assert get(server, f"{path}?downlaod").status_code == 400
    with server.client() as client:
        head = client.head(path)
        assert (head.headers["Content-Length"], head.content) == (str(len(body)), b"")
    for wrong in ("..%2f..%2fhistory.sqlite", "0" * 18, "x"):
        assert get(server, f"/api/v1/frames/{wrong}/picture").status_code == 404


def test_it_is_inspected_again_and_is_no_part(server: Server) -> None:
    raw = np.ascontiguousarray(IMAGE).tobytes()
    for frame_id in (
        send(server, "/analyze_image", _encoded(".png"), part="4711", camera="top"),
        send(server, "/analyze_raw_image", raw, width="32", height="24", pixel_format="BGR8", part="4711"),
    ):
        settled(server, frame_id)
        last = get(server, "/last_image").content
        before = server.status()
        path = f"/api/v1/frames/{frame_id}/again"
        answer = get(server, path)
        context = answer.json()
        assert context["again"] == {"id": frame_id, "flowVersion": before["flowVersion"]}
        assert (context["result"], context["score"], context["imageShape"]) == (
            False,
            0.9,
            {"height": 24, "width": 32},
        )
        picture = get(server, f"{path}?response_type=annotated_image")
        assert picture.headers["X-Framemill-Again"] == frame_id
        decoded = cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None
        assert decoded.shape == (24, 32, 3)
        assert get(server, f"{path}?response_type=heatmap").headers["Content-Type"] == "image/png"
        assert get(server, f"{path}?response_type=x").status_code == 400
        after = server.status()
        assert after["frames"] == before["frames"]
        assert get(server, "/last_image").content == last
    known = [one["id"] for one in printed(server, "--part", "4711", "--no-context")]
    assert len(known) == 2


def test_kept_pictures_are_written_into_a_folder(server: Server, tmp_path: Path) -> None:
    body = _encoded(".jpg")
    frame_id = send(server, "/analyze_image", body, part="folder")
    ok = post(server, part="folder").json()["id"]
    for one in (frame_id, ok):
        settled(server, one)
    to = tmp_path / "out"
    done = command("history", server.project, "--part", "folder", "--pictures", to)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 pictures of 2 frames" in done.stdout
    assert {path.name for path in to.iterdir()} == {"frames.jsonl", f"{frame_id}.jpg"}
    assert (to / f"{frame_id}.jpg").read_bytes() == body
    told = [json.loads(line) for line in (to / "frames.jsonl").read_text().splitlines()]
    assert {one["id"]: one["copiedTo"] for one in told} == {frame_id: f"{frame_id}.jpg", ok: None}
    again = command("history", server.project, "--pictures", to)
    assert again.returncode == 2
    assert "there is something in this folder" in again.stderr


def test_status_and_metrics_tell_of_them(server: Server) -> None:
    before = told(server)
    settled(server, send(server, "/analyze_image", _encoded(".png")))
    until(lambda: told(server)["kept"] > before["kept"])
    now = told(server)
    assert now["free_bytes"] > 0
    assert now["bytes"] == sum(path.stat().st_size for path in folder_of(server).rglob("*.*"))
    metrics = get(server, "/metrics").text
    assert f"framemill_pictures_kept_total {now['kept']}" in metrics
    assert "framemill_pictures_lost_total" in metrics
