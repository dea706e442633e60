"""The last frame, shown again while the line runs: always there, whole, by every front; what the page says of it."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from service.panel.languages import all_languages
from tests.clients.page import Tags
from tests.support.faults import until
from tests.support.pictures import decoded
from tests.support.running import Server, serving, write_project

_WIDTH, _HEIGHT = 640, 480
_RAW = f"/analyze_raw_image?width={_WIDTH}&height={_HEIGHT}"
_KINDS = ("context", "image", "annotated_image", "heatmap")
MANY = """
def main(context):
    count = int(context["data"] or 0)
    context["detectedRectangles"] = [
        {"id": n, "x": n % 60, "y": n % 40, "width": 9, "height": 9, "classNames": [{"id": 1, "label": "hole"}]}
        for n in range(count)
    ]
"""


@contextmanager
def line(server: Server, cameras: int = 3) -> Iterator[list[int]]:
    """Cameras that post grey frames, each of one value, one after the other; yields the statuses that they had."""
    over = threading.Event()
    statuses: list[int] = []

    def camera(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        frame = bytes([40 * number + 20]) * (_WIDTH * _HEIGHT)
        while not over.is_set():
            connection.request("POST", _RAW, frame)
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=camera, args=(number,)) for number in range(cameras)]
    for thread in threads:
        thread.start()
    try:
        until(lambda: len(statuses) > cameras)
        yield statuses
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.long
@pytest.mark.parametrize("fronts", ["1", "2"])
def test_while_frames_come_as_fast_as_they_can_every_request_for_the_last_one_is_answered_whole(
    tmp_path: Path, fronts: str
) -> None:
    with serving(write_project(tmp_path / "p"), "--fronts", fronts) as server, line(server) as statuses:
        for number in range(40):
            kind = _KINDS[number % 4]
            # a connection each, so that all fronts are asked
            with server.client() as client:
                answer = client.get("/last_image", params={"response_type": kind, "context_in_body": ""})
                page = client.get("/") if number % 10 == 0 else None
            assert answer.status_code == 200, answer.text
            if kind == "image":
                assert len(np.unique(decoded(answer.content))) == 1
            if page is not None:
                assert "No frame yet" not in page.text
                assert f"{_WIDTH} x {_HEIGHT} px" in page.text
    assert set(statuses) == {200}


@pytest.mark.long
def test_it_is_the_newest_of_all_fronts(tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/many.py"\n', many=MANY)
    with serving(project, "--fronts", "2") as server:
        for number in range(12):
            with server.client() as client:  # each time by whichever front takes it
                client.post(f"{_RAW}&data={number}", content=bytes(_WIDTH * _HEIGHT)).raise_for_status()
            with server.client() as client:
                assert len(client.get("/last_image").json()["detectedRectangles"]) == number


@pytest.mark.long
def test_the_last_frame_outlives_its_front(tmp_path: Path) -> None:
    with serving(write_project(tmp_path / "p")) as server:
        with server.client() as client:
            client.post(_RAW, content=bytes(_WIDTH * _HEIGHT)).raise_for_status()
        before = _fronts(server)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: _fronts(server) and not set(before) & set(_fronts(server)))
        with server.client() as client:
            assert client.get("/last_image").status_code == 200
            assert f"{_WIDTH} x {_HEIGHT} px" in client.get("/").text


def _fronts(server: Server) -> list[int]:
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    masters = [pid for pid in children if b"service.server.front" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return [
        int(pid) for master in masters for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()
    ]


@pytest.fixture(scope="module", name="many")
def server_with_many_rectangles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("many")
    project = write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/many.py"\n', many=MANY)
    with serving(project) as running:
        yield running


@pytest.mark.parametrize("count", [0, 249, 250, 1000, 2500])
def test_the_pages_picture_is_there_however_long_the_context(many: Server, count: int) -> None:
    with many.client() as client:
        client.post(f"{_RAW}&data={count}", content=bytes(_WIDTH * _HEIGHT)).raise_for_status()
        page = client.get("/").text
        assert (f"and {count - 12:,} more" in page) == (count > 12)
        picture = client.get("/" + str(Tags(page).named("img")[0]["src"]))
    assert picture.status_code == 200
    assert picture.headers["content-type"] == "image/jpeg"
    assert decoded(picture.content).shape == (_HEIGHT, _WIDTH, 3)


def test_with_process_off_the_page_does_not_show_the_last_verdict_as_the_present_one(many: Server) -> None:
    with many.client() as client:
        client.post(_RAW, content=bytes(_WIDTH * _HEIGHT)).raise_for_status()
        assert '<p class="verdict sign ok">OK</p>' in client.get("/").text
        _throw(client, on=False)
        try:
            page = client.get("/").text
            assert "Process is off. The last verdict, just now: OK" in page
            assert 'class="verdict' not in page
            client.post(_RAW, content=bytes(_WIDTH * _HEIGHT)).raise_for_status()
            assert "Process is off. The last verdict" in client.get("/").text
        finally:
            _throw(client, on=True)
        assert "Process is off" not in client.get("/").text


def _throw(client: httpx.Client, *, on: bool) -> None:
    client.put("/api/v1/process", json={"process": on}).raise_for_status()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "just now"),
        (9, "just now"),
        (10, "10 seconds ago"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (12 * 60 + 30, "12 minutes ago"),
        (3600, "1 hour ago"),
        (86_399, "23 hours ago"),
        (86_400, "1 day ago"),
        (10**7, "115 days ago"),
    ],
)
def test_an_age_is_said_in_its_largest_whole_unit(seconds: int, words: str) -> None:
    assert all_languages()["en"].age(seconds) == words
