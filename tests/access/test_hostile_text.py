"""Text from clients is shown as text, and names no file but those that it may."""

from __future__ import annotations

import html.parser
import http.server
import random
import socket
import subprocess
import threading
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.access.hostile_text import RUN, SCRIPTS, ways_out
from tests.support.children import from_debian
from tests.support.pictures import png
from tests.support.running import Server, serving, write_project
from workers.pool.job import MAX_DATA_BYTES

SHOW = """
def main(context):
    texts = context["data"].split("\\x1e")
    context["errors"] += texts
    context["detectedRectangles"] = [
        {"id": n, "x": 1, "y": 1, "width": 9, "height": 9, "classNames": [{"id": n, "label": text}]}
        for n, text in enumerate(texts)
    ]
"""
_AT_ONCE = 10


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = write_project(
        tmp_path_factory.mktemp("shown") / "p", '[[flow]]\nmodule = "code"\nfile = "code/show.py"\n', show=SHOW
    )
    toml = folder / "framemill.toml"
    toml.write_text(toml.read_text().replace('name = "p"', f"name = '''{SCRIPTS[0]}'''"))
    with serving(folder) as server:
        yield server


class _Tags(html.parser.HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs]))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_there_are_fifty_payloads_and_each_is_another() -> None:
    assert len(set(SCRIPTS)) >= 50


@pytest.mark.parametrize("start", range(0, len(SCRIPTS), _AT_ONCE))
def test_text_of_clients_is_text_on_the_page(shown: Server, scene: NDArray[np.uint8], start: int) -> None:
    batch = SCRIPTS[start : start + _AT_ONCE]
    with shown.client() as client:
        for text in batch:
            form = {"file": (text, png(scene), "image/png")}
            sent = client.post("/analyze_image", params={"data": text}, files=form)
            assert sent.headers["content-type"] == "application/json"
            for header, value in sent.headers.items():
                assert RUN not in header + value
        harmless = [f"t{number}" for number in range(len(batch))]
        client.post("/analyze_image", params={"data": "\x1e".join(harmless)}, content=png(scene)).raise_for_status()
        before = _Tags(client.get("/").text)
        client.post("/analyze_image", params={"data": "\x1e".join(batch)}, content=png(scene)).raise_for_status()
        page = client.get("/")
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        tags = _Tags(page.text)
        assert tags.found == before.found
        for text in batch:
            assert text in tags.text


class _Careless(http.server.BaseHTTPRequestHandler):
    """A page as ours must not be: without a policy, and with text as it came."""

    def do_GET(self) -> None:
        page = f"<!doctype html><title>careless</title><p>{SCRIPTS[0]}".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_: object) -> None:
        pass


def _title(chromium: str, url: str, profile: Path) -> str:
    """The title of a page, as it is after its scripts have run in a real browser."""
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}",
               "--virtual-time-budget=2000", "--dump-dom", url]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=110)
    return done.stdout.partition("<title>")[2].partition("</title>")[0]


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_no_script_runs_in_a_real_browser(shown: Server, scene: NDArray[np.uint8], tmp_path: Path) -> None:
    chromium = from_debian("chromium")
    with http.server.HTTPServer(("127.0.0.1", 0), _Careless) as careless:
        threading.Thread(target=careless.serve_forever, daemon=True).start()
        title = _title(chromium, f"http://127.0.0.1:{careless.server_port}/", tmp_path / "profile")
        assert title == "SCRIPT-RAN", "the test itself does not see scripts run"
        careless.shutdown()
    for start in range(0, len(SCRIPTS), _AT_ONCE):
        with shown.client() as client:
            data = "\x1e".join(SCRIPTS[start : start + _AT_ONCE])
            client.post("/analyze_image", params={"data": data}, content=png(scene)).raise_for_status()
        title = _title(chromium, f"{shown.url}/", tmp_path / "profile")
        assert title.endswith(" - Framemill")
        assert "SCRIPT-RAN" not in title.replace(SCRIPTS[0].replace("<", "&lt;").replace(">", "&gt;"), "")


SECRET = "what nobody may read"


@pytest.fixture(scope="module")
def rooted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, NDArray[np.uint8]]]:
    """A server whose flow takes a golden image by the request's data; the frame's own twin lies where it must not."""
    folder = tmp_path_factory.mktemp("rooted")
    project = write_project(folder / "p", '[[flow]]\nmodule = "reference"\nimage = "references/{data}.png"\n')
    (project / "references").mkdir()
    frame = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    (project / "references" / "good.png").write_bytes(png(np.full_like(frame, 255) - frame))
    for place in (folder, project, project / "code"):
        (place / "twin.png").write_bytes(png(frame))
        (place / "secret").write_text(SECRET)
    (project / "references" / "link.png").symlink_to(folder / "twin.png")
    with serving(project) as server:
        yield server, frame


def _targets(server: Server) -> tuple[str, ...]:
    return ("twin", "secret", "etc/passwd", f"{server.project.parent}/twin".lstrip("/"), "code/twin")


def _some(server: Server, number: int) -> list[str]:
    return random.Random(number).sample(list(ways_out(_targets(server))), number)


def _check_names(rooted: tuple[Server, NDArray[np.uint8]], number: int) -> None:
    server, frame = rooted
    body = png(frame)
    with server.client() as client:
        for name in ["link", *_some(server, number)]:
            if len(name.encode()) > MAX_DATA_BYTES:
                continue
            context = client.post("/analyze_image", params={"data": name}, content=body).json()
            assert context["errors"], f"{name!r} was found"
            assert SECRET not in str(context)
            assert str(server.project) not in str(context)
            segment = client.post(
                "/analyze_image_shared_memory", params={"width": 4, "height": 4, "name": name}, content=b""
            )
            assert segment.status_code == 400, name


def _check_paths(rooted: tuple[Server, NDArray[np.uint8]], number: int) -> None:
    """Paths as they stand, and in a form's fields; a client of ours would clean them up first."""
    server, frame = rooted
    for name in _some(server, number):
        target = "".join(c if "!" <= c <= "~" else f"%{ord(c) & 255:02x}" for c in name)
        with socket.create_connection(("127.0.0.1", server.port), 30) as line:
            line.sendall(f"GET /{target} HTTP/1.1\r\nHost: camera\r\nConnection: close\r\n\r\n".encode())
            answer = HTTPResponse(line)
            answer.begin()
            assert answer.status in {400, 404} or name.strip("/.") == "", (name, answer.status)
            assert SECRET.encode() not in answer.read()
    with server.client() as client:
        for name in _some(server, max(1, number // 10)):
            form = {"file": (name, png(frame), name.replace("\0", "")[:60] or "x")}
            assert SECRET not in client.post("/analyze_image", params={"data": "good"}, files=form).text


@pytest.mark.long
def test_no_name_leads_out_of_the_project(rooted: tuple[Server, NDArray[np.uint8]]) -> None:
    _check_names(rooted, 150)
    _check_paths(rooted, 150)
    server, frame = rooted
    # and a name that may be is found
    answer = httpx.post(f"{server.url}/analyze_image?data=good", content=png(frame), timeout=60)
    assert answer.json()["errors"] == []


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_no_name_out_of_thousands_leads_out_of_the_project(rooted: tuple[Server, NDArray[np.uint8]]) -> None:
    _check_names(rooted, 5000)
    _check_paths(rooted, 5000)
