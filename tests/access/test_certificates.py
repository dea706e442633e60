"""TLS by settings: a certificate of our own, and, where an authority is set, nobody without one of its certificates."""

from __future__ import annotations

import http.client
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from service.access.startup_check import check_entrance
from service.settings import load_settings
from tests.clients.guests import add_key
from tests.support.pictures import png
from tests.support.running import Server, serving, start_command, write_project
from workers.errors import SettingsInvalid


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


def _authority(folder: Path, name: str) -> None:
    _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", f"/CN={name}", "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem")  # fmt: skip


def _issue(folder: Path, name: str, authority: str, *more: str) -> None:
    """Issue a certificate for `name`, good for two days unless `more` says otherwise."""
    _openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{folder}/{name}.key",
             "-out", f"{folder}/{name}.csr")  # fmt: skip
    _openssl("x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/{authority}.pem", "-CAkey",
             f"{folder}/{authority}.key", "-CAcreateserial", "-copy_extensions", "copy", "-out",
             f"{folder}/{name}.pem", *(more or ("-days", "2")))  # fmt: skip


@dataclass(frozen=True)
class Papers:
    """A server that asks for certificates, a key of its own for clients, and the folder with all certificates."""

    server: Server
    folder: Path
    key: str

    def context(self, client: str | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.folder / "ours.pem"))
        if client is not None:
            context.load_cert_chain(self.folder / f"{client}.pem", self.folder / f"{client}.key")
        return context


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Papers]:
    folder = tmp_path_factory.mktemp("papers")
    for authority in ("ours", "theirs"):
        _authority(folder, authority)
    for name, authority, more in (("server", "ours", ()), ("camera", "ours", ()), ("stranger", "theirs", ()),
                                  ("late", "ours", ("-not_before", "20200101000000Z", "-not_after", "20200102000000Z"))
                                  ):  # fmt: skip
        try:
            _issue(folder, name, authority, *more)
        except subprocess.CalledProcessError:
            # openssl before 3.4 has no dates for x509 -req; a certificate that ended yesterday is the same
            _issue(folder, name, authority, "-days", "-1")
    key = add_key("camera", "analyze", folder / "keys.toml")
    env = {
        "FRAMEMILL_CERTFILE": str(folder / "server.pem"),
        "FRAMEMILL_KEYFILE": str(folder / "server.key"),
        "FRAMEMILL_CLIENT_CA_FILE": str(folder / "ours.pem"),
        "FRAMEMILL_KEYS_FILE": str(folder / "keys.toml"),
    }
    with serving(write_project(folder / "p"), env=env) as server:
        yield Papers(server, folder, key)


def _ask(papers: Papers, client: str | None, path: str = "/ping") -> int:
    line = http.client.HTTPSConnection("127.0.0.1", papers.server.port, context=papers.context(client), timeout=60)
    try:
        line.request("GET", path)
        return line.getresponse().status
    finally:
        line.close()


@pytest.mark.long
def test_with_a_certificate_and_a_key_a_frame_is_analysed(papers: Papers, scene: NDArray[np.uint8]) -> None:
    with httpx.Client(base_url=papers.server.url, verify=papers.context("camera"), timeout=60) as client:
        assert client.post("/analyze_image", content=png(scene)).status_code == 401
        for _ in range(3):
            answer = client.post("/analyze_image", headers={"X-API-Key": papers.key}, content=png(scene))
            assert answer.json()["imageShape"] == {"height": 48, "width": 64}
        page = client.get("/", params={"api_key": papers.key})
        assert page.status_code == 303
        for words in ("Secure", "HttpOnly", "SameSite=Lax"):
            assert words in page.headers["Set-Cookie"]


@pytest.mark.long
@pytest.mark.parametrize("client", [None, "stranger", "late"])
def test_without_a_good_certificate_not_even_ping_is_answered(papers: Papers, client: str | None) -> None:
    for _ in range(3):
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            _ask(papers, client)
    assert _ask(papers, "camera") == 200


@pytest.mark.long
def test_without_tls_nothing_is_answered(papers: Papers) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{papers.server.port}/ping", timeout=60)
    assert _ask(papers, "camera") == 200


@pytest.mark.long
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"CERTFILE": "server.pem", "KEYFILE": "camera.key"}, ["certfile, keyfile"]),
        ({"CERTFILE": "nothing.pem", "KEYFILE": "server.key"}, ["certfile, keyfile", "cannot be read"]),
        ({"CERTFILE": "server.csr", "KEYFILE": "server.key"}, ["certfile, keyfile"]),
        ({"CERTFILE": "server.pem"}, ["certfile, keyfile"]),
        ({"CLIENT_CA_FILE": "ours.pem"}, ["certfile: it is missing"]),
        (
            {"CERTFILE": "server.pem", "KEYFILE": "camera.key", "CLIENT_CA_FILE": "server.key", "KEYS_FILE": "no"},
            ["certfile, keyfile", "client_ca_file", "keys_file"],
        ),
    ],
)
def test_what_tls_cannot_use_is_named(papers: Papers, settings: dict[str, str], words: list[str]) -> None:
    options = {name.lower(): papers.folder / value for name, value in settings.items()}
    with pytest.raises(SettingsInvalid) as refused:
        check_entrance(load_settings({}, options))
    assert all(word in refused.value.message for word in words)


@pytest.mark.long
def test_it_ends_the_start(papers: Papers, tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", f"[server]\ncertfile = '{papers.folder}/server.csr'\n")
    done = subprocess.run(start_command(project), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    assert "certfile, keyfile: " in done.stderr
