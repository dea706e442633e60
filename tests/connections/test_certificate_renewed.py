"""Certificates that are renewed while the server runs: whole pairs are taken over, anything else changes nothing."""

from __future__ import annotations

import logging
import shutil
import ssl
from pathlib import Path

import pytest

from service.connections.certificates import Certificates
from tests.clients.tls import TlsConnection, TlsServer, tls_serving, write_pair
from tests.support.faults import until
from tests.support.running import write_project

PING = b"GET /ping HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pairs `old` and `new`."""
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("old", "new"):
        write_pair(folder, name)
    return folder


class Site:
    """Files as a site has them, and what follows them."""

    def __init__(self, pairs: Path, folder: Path) -> None:
        self._pairs = pairs
        self.certfile, self.keyfile, self.authority = folder / "site.pem", folder / "site.key", folder / "ca.pem"
        self.put("old", "certificate")
        self.put("old", "key")
        shutil.copy(pairs / "old.pem", self.authority)
        self.watch = Certificates(self.certfile, self.keyfile, self.authority)
        self.first = self.watch.context

    def put(self, name: str, what: str) -> None:
        """Put a file of the pair `name` in its place."""
        if what == "certificate":
            shutil.copy(self._pairs / f"{name}.pem", self.certfile)
        else:
            shutil.copy(self._pairs / f"{name}.key", self.keyfile)

    def look(self) -> bool:
        """Look often enough; returns whether something was taken over."""
        before = self.watch.context
        for _ in range(3):
            self.watch.look()
        return self.watch.context is not before


@pytest.fixture
def site(pairs: Path, tmp_path: Path) -> Site:
    return Site(pairs, tmp_path)


def _complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize("order", [("certificate", "key"), ("key", "certificate")])
def test_a_pair_is_taken_over_once_both_are_there(
    site: Site, caplog: pytest.LogCaptureFixture, order: tuple[str, str]
) -> None:
    assert not site.look()
    site.put("new", order[0])
    assert [site.look() for _ in range(3)] == [False, False, False]
    assert len(_complaints(caplog)) == 1  # for as long as it stays so
    assert "stays as it was" in caplog.text
    site.put("new", order[1])
    assert [site.look(), site.look()] == [True, False]


def test_a_file_that_is_away_half_written_or_no_certificate_changes_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    whole = site.certfile.read_bytes()
    for number, content in enumerate([b"", whole[: len(whole) // 2], b"\x00" * 1000, whole.replace(b"A", b"B")]):
        site.certfile.write_bytes(content)
        assert not site.look()
        assert len(_complaints(caplog)) == number + 1
    site.certfile.unlink()
    assert not site.look()
    site.keyfile.unlink()
    assert not site.look()
    site.authority.write_bytes(b"")
    assert not site.look()
    assert site.watch.context is site.first
    site.put("new", "key")
    site.put("new", "certificate")
    assert not site.look()  # the authority is still empty
    shutil.copy(site.certfile, site.authority)
    assert site.look()


def test_what_is_still_being_written_is_not_looked_into(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(5):
        site.certfile.write_bytes(b"x" * number)
        site.watch.look()
    assert not _complaints(caplog)


def test_a_front_goes_on_with_what_its_master_loaded(site: Site, pairs: Path) -> None:
    """So that a session can be resumed at another front; and a front that starts meanwhile has something to show."""
    site.watch.look(settled=True)
    assert site.watch.context is site.first
    site.certfile.unlink()
    site.watch.look(settled=True)
    assert site.watch.context is site.first
    site.put("new", "certificate")
    site.put("new", "key")
    site.watch.look(settled=True)
    assert site.watch.context is not site.first
    with pytest.raises(OSError, match=r"."):
        Certificates(pairs / "old.pem", pairs / "new.key", None)


def test_what_failed_for_another_reason_is_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put("new", "certificate")
    site.put("new", "key")
    with monkeypatch.context() as patch:
        patch.setattr(ssl.SSLContext, "load_cert_chain", _too_many_files)
        assert not site.look()
    assert not site.look()
    site.watch._try_again_s = 0.0  # long ago
    assert site.look()


def _too_many_files(*_: object, **__: object) -> None:
    raise OSError(24, "Too many open files")


def _names(running: TlsServer) -> str:
    """Whose certificate the server shows to who connects now; also answers a request."""
    context = ssl.create_default_context(cafile=str(running.certificate.parent / "all.pem"))
    with TlsConnection(running.server.port, context) as client:
        assert isinstance(client.sock, ssl.SSLSocket)
        certificate = client.sock.getpeercert()
        assert certificate is not None
        client.send(PING)
        answer = client.answer()
        assert answer is not None
        assert answer.status == 200
        return str(certificate["subject"][0][0][1])


@pytest.mark.long
def test_a_server_shows_the_new_certificate_and_cuts_nobody(pairs: Path, tmp_path: Path) -> None:
    with tls_serving(write_project(tmp_path / "p")) as running:
        everybody = running.certificate.read_text() + (pairs / "new.pem").read_text()
        (running.certificate.parent / "all.pem").write_text(everybody)
        with TlsConnection(running.server.port, running.context()) as camera:
            assert _names(running) == "server"
            running.certificate.unlink()
            running.key.write_text("half")
            until(lambda: any("stays as it was" in line for line in running.server.log))
            assert all(_names(running) == "server" for _ in range(20))
            shutil.copy(pairs / "new.key", running.key)
            shutil.copy(pairs / "new.pem", running.certificate)
            until(lambda: _names(running) == "new")
            camera.send(PING)
            answer = camera.answer()
            assert answer is not None
            assert answer.status == 200
        assert not any("Traceback" in line for line in running.server.log)
