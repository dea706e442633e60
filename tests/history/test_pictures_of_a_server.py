"""A real server that keeps pictures: as their clients sent them, beside their records, whoever is killed or full."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from service.history.pictures.rows import WAITING
from service.history.places.place import sqlite_in
from tests.history.kept import printed, rows
from tests.results.served import post, project_in
from tests.support.faults import children_of, command_of, until
from tests.support.running import Server, command, serving

RECORD = ("--workers", "1", "--fronts", "1", "--record", "async", "--free-disk-mib", "0")
IMAGE = np.random.default_rng(1).integers(0, 255, (24, 32, 3), np.uint8)


@pytest.fixture(name="server", scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = project_in(tmp_path_factory.mktemp("pictures") / "p")
    formats = ("--formats", "jpeg,png,bmp")
    with serving(project, *RECORD, "--pictures", "nok", "--pictures-format", "png", *formats) as running:
        yield running


def _folder(server: Server) -> Path:
    return server.project / ".framemill" / "history" / "pictures"


def _told(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = server.status()["history"].get("pictures", {})
    return found


def _post(server: Server, path: str, body: bytes, **parameters: str) -> str:
    """Have a frame inspected; returns its id."""
    with server.client() as client:
        answer = client.post(path, params={"data": "nok", **parameters}, content=body).raise_for_status()
    frame_id: str = answer.json()["id"]
    return frame_id


def _settled(server: Server, frame_id: str) -> dict[str, Any]:
    """What is known of a frame, once it is known what became of its picture."""

    def there() -> dict[str, Any] | None:
        answer = _get(server, f"/api/v1/frames/{frame_id}")
        found: dict[str, Any] = answer.json()
        picture = found.get("picture") or {}
        return found if answer.status_code == 200 and picture.get("lost") != WAITING else None

    found: dict[str, Any] = until(there)
    return found


def _get(server: Server, path: str, **headers: str) -> httpx.Response:
    with server.client() as client:
        return client.get(path, headers=headers)


def _encoded(ending: str) -> bytes:
    return bytes(cv2.imencode(ending, IMAGE)[1])


@pytest.mark.parametrize(
    ("ending", "media_type"), [(".jpg", "image/jpeg"), (".png", "image/png"), (".bmp", "image/bmp")]
)
def test_a_file_is_kept_as_it_came(server: Server, ending: str, media_type: str) -> None:
    body = _encoded(ending)
    frame_id = _post(server, "/analyze_image", body)
    picture = _settled(server, frame_id)["picture"]
    assert (picture["kept"], picture["why"], picture["mediaType"]) == (True, "nok", media_type)
    assert (picture["width"], picture["height"], picture["bytes"]) == (32, 24, len(body))
    answer = _get(server, f"/api/v1/frames/{frame_id}/picture")
    assert (answer.content, answer.headers["Content-Type"]) == (body, media_type)
    file = _folder(server) / picture["file"]
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
    frame_id = _post(server, "/analyze_raw_image", np.ascontiguousarray(frame).tobytes(), **size)
    picture = _settled(server, frame_id)["picture"]
    assert (picture["mediaType"], picture["pixelFormat"]) == ("image/png", pixel_format)
    content = _get(server, f"/api/v1/frames/{frame_id}/picture").content
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    assert np.array_equal(pixels, expected)


def test_which_are_kept_is_as_the_settings_say(server: Server) -> None:
    ok = post(server).json()["id"]
    nok = post(server, "nok").json()["id"]
    assert _settled(server, nok)["picture"]["kept"]
    assert _settled(server, ok)["picture"] is None
    answer = _get(server, f"/api/v1/frames/{ok}/picture")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "no picture was to be kept" in answer.json()["detail"]


def test_what_a_browser_is_told_of_it_makes_it_harmless(server: Server) -> None:
    body = _encoded(".png")
    frame_id = _post(server, "/analyze_image", body)
    _settled(server, frame_id)
    path = f"/api/v1/frames/{frame_id}/picture"
    answer = _get(server, path)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "private" in answer.headers["Cache-Control"]
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Disposition"].startswith("inline")
    again = _get(server, path, **{"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert _get(server, f"{path}?download").headers["Content-Disposition"] == f'attachment; filename="{frame_id}.png"'
    assert _get(server, f"{path}?downlaod").status_code == 400
    with server.client() as client:
        head = client.head(path)
        assert (head.headers["Content-Length"], head.content) == (str(len(body)), b"")
    for wrong in ("..%2f..%2fhistory.sqlite", "0" * 18, "x"):
        assert _get(server, f"/api/v1/frames/{wrong}/picture").status_code == 404


def test_it_is_inspected_again_and_is_no_part(server: Server) -> None:
    raw = np.ascontiguousarray(IMAGE).tobytes()
    for frame_id in (
        _post(server, "/analyze_image", _encoded(".png"), part="4711", camera="top"),
        _post(server, "/analyze_raw_image", raw, width="32", height="24", pixel_format="BGR8", part="4711"),
    ):
        _settled(server, frame_id)
        last = _get(server, "/last_image").content
        before = server.status()
        path = f"/api/v1/frames/{frame_id}/again"
        answer = _get(server, path)
        context = answer.json()
        assert context["again"] == {"id": frame_id, "flowVersion": before["flowVersion"]}
        assert (context["result"], context["score"], context["imageShape"]) == (
            False,
            0.9,
            {"height": 24, "width": 32},
        )
        picture = _get(server, f"{path}?response_type=annotated_image")
        assert picture.headers["X-Framemill-Again"] == frame_id
        decoded = cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR)
        assert decoded is not None
        assert decoded.shape == (24, 32, 3)
        assert _get(server, f"{path}?response_type=heatmap").headers["Content-Type"] == "image/png"
        assert _get(server, f"{path}?response_type=x").status_code == 400
        after = server.status()
        assert after["frames"] == before["frames"]
        assert _get(server, "/last_image").content == last
    known = [one["id"] for one in printed(server, "--part", "4711", "--no-context")]
    assert len(known) == 2


def test_kept_pictures_are_written_into_a_folder(server: Server, tmp_path: Path) -> None:
    body = _encoded(".jpg")
    frame_id = _post(server, "/analyze_image", body, part="folder")
    ok = post(server, part="folder").json()["id"]
    for one in (frame_id, ok):
        _settled(server, one)
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
    before = _told(server)
    _settled(server, _post(server, "/analyze_image", _encoded(".png")))
    until(lambda: _told(server)["kept"] > before["kept"])
    now = _told(server)
    assert now["free_bytes"] > 0
    assert now["bytes"] == sum(path.stat().st_size for path in _folder(server).rglob("*.*"))
    metrics = _get(server, "/metrics").text
    assert f"framemill_pictures_kept_total {now['kept']}" in metrics
    assert "framemill_pictures_lost_total" in metrics


def _recorder(server: Server) -> int:
    def there() -> int:
        found = [pid for pid in children_of(server.process.pid) if "service.server.recorder" in command_of(pid)]
        return found[0] if found else 0

    pid: int = until(there)
    return pid


@pytest.mark.long
def test_a_recorder_that_is_killed_loses_no_picture_in_silence(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    with serving(project, *RECORD, "--pictures", "all") as server:
        until(lambda: server.status()["history"]["state"] == "recording")
        sent = []
        for _ in range(3):
            sent += [post(server).json()["id"] for _ in range(30)]
            os.kill(_recorder(server), signal.SIGKILL)
            sent += [post(server).json()["id"] for _ in range(10)]
        path = sqlite_in(project / ".framemill")
        known = f"SELECT count(*) FROM pictures WHERE lost IS NULL OR lost <> '{WAITING}'"
        until(lambda: rows(path, known) == [(len(sent),)])
        files = {str(one.relative_to(_folder(server))) for one in _folder(server).rglob("*.jpg")}
        assert files == {row[0] for row in rows(path, "SELECT file FROM pictures WHERE file IS NOT NULL")}
        assert len(files) > 30
        lost = {row[0] for row in rows(path, "SELECT DISTINCT lost FROM pictures WHERE file IS NULL")}
        assert WAITING not in lost
        told = _told(server)
        assert told["lost"] >= len(sent) - len(files) - 40
        (_folder(server) / "2026-01-01").mkdir()
        (_folder(server) / "2026-01-01" / "mine.txt").touch()
        part = _folder(server) / "2026-01-01" / ".18ec461ee0073d3d0d.jpg.1"
        part.touch()
        os.utime(part, (0, 0))
        os.kill(_recorder(server), signal.SIGKILL)
        until(lambda: not part.exists())
        assert (_folder(server) / "2026-01-01" / "mine.txt").exists()


@pytest.mark.long
def test_a_server_that_is_killed_says_what_became_of_its_pictures(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    options = (*RECORD, "--pictures", "all")
    with serving(project, *options) as server:
        ids = [post(server).json()["id"] for _ in range(5)]
        for one in ids:
            assert _settled(server, one)["picture"]["kept"]
        files = sorted(_folder(server).rglob("*.jpg"))
        server.process.kill()
        server.process.wait()
    path = sqlite_in(project / ".framemill")
    files[0].write_bytes(b"")  # as a loss of power leaves it
    with serving(project, *options) as server:
        until(lambda: rows(path, "SELECT count(*) FROM pictures WHERE file IS NULL") == [(1,)])
        answer = _get(server, f"/api/v1/frames/{files[0].stem}/picture")
        assert "not whole" in answer.json()["detail"]
        assert _told(server)["lost"] >= 1
        assert not files[0].exists()


@pytest.mark.long
def test_old_ones_make_room_and_ok_ones_first(tmp_path: Path) -> None:
    project = project_in(tmp_path / "p")
    noise = np.random.default_rng(2).integers(0, 255, (300, 300), np.uint8).tobytes()
    options = (*RECORD, "--pictures", "all", "--pictures-mib", "1", "--pictures-format", "png")
    with serving(project, *options) as server:
        size = {"width": "300", "height": "300"}
        sent = []
        for number in range(30):  # 90 kB each
            with server.client() as client:
                data = "nok" if number < 5 else ""
                answer = client.post("/analyze_raw_image", params={**size, "data": data}, content=noise)
            sent.append(answer.json()["id"])
            _settled(server, sent[-1])
        until(lambda: _told(server)["made_room"] > 15 and _told(server)["bytes"] <= 1 << 20)
        kept = {path.stem for path in _folder(server).rglob("*.png")}
        assert set(sent[:5]) < kept  # NOK, the oldest of all
        assert sent[-1] in kept
        assert sent[5] not in kept
        assert _settled(server, sent[5])["picture"]["lost"] == "it made room for others"
        assert sum(path.stat().st_size for path in _folder(server).rglob("*.png")) <= 1 << 20


@pytest.mark.long
def test_a_full_disk_stops_pictures_and_no_record_and_is_used_again(tmp_path: Path) -> None:
    disk = tmp_path / "pictures"
    project = project_in(tmp_path / "p")
    disk = project / ".framemill" / "history" / "pictures"
    disk.mkdir(parents=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "small", str(disk)], check=False).returncode:
        pytest.skip("only root can make a small file system")
    try:
        with serving(project, *RECORD, "--pictures", "all") as server:
            first = post(server).json()["id"]
            assert _settled(server, first)["picture"]["kept"]
            fill = disk / "fill"
            with fill.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                for _ in iter(lambda: file.write(bytes(4096)), 0):
                    pass
            ids = [post(server).json()["id"] for _ in range(5)]
            for one in ids:
                picture = _settled(server, one)["picture"]
                assert not picture["kept"]
            assert _told(server)["lost"] >= 5
            assert _told(server)["trouble"]
            assert server.status()["history"]["state"] == "recording"
            fill.unlink()
            last = post(server).json()["id"]
            assert _settled(server, last)["picture"]["kept"]
            assert not list(disk.rglob(".*"))
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_pictures_need_a_history(tmp_path: Path) -> None:
    done = command("check", project_in(tmp_path / "p", '[server]\npictures = "nok"'))
    assert done.returncode == 3
    assert 'pictures are part of the history: set record = "async", too' in done.stdout + done.stderr
