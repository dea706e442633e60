"""Alerts go over TLS to who can show papers of the plant's authority, also through a proxy, and to nobody else."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from service.alerts.webhook import Message, NotDelivered, Webhook
from service.settings import load_settings
from tests.alerts.receiver import KEY, Receiver, receiving
from tests.clients.tls import CURVE
from tests.results.served import post, project_in
from tests.support.faults import until
from tests.support.running import Server, serving
from workers.errors import SettingsInvalid

BODY = json.dumps({"type": "alert.began", "data": {"name": "secret"}})


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


def _issue(folder: Path, name: str, authority: str, address: str) -> tuple[Path, Path]:
    """Issue a certificate for an address by an authority, which is made if it is not there."""
    signs = folder / f"{authority}.pem"
    if not signs.exists():
        _openssl("req", "-x509", *CURVE, "-subj", f"/CN={authority}", "-days", "2", "-keyout",
                 f"{folder}/{authority}.key", "-out", str(signs))  # fmt: skip
    certificate, key, asked = (folder / f"{name}.{ending}" for ending in ("pem", "key", "csr"))
    _openssl("req", *CURVE, "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{address}", "-keyout", str(key),
             "-out", str(asked))  # fmt: skip
    _openssl("x509", "-req", "-in", str(asked), "-CA", str(signs), "-CAkey", f"{folder}/{authority}.key",
             "-CAcreateserial", "-copy_extensions", "copy", "-days", "2", "-out", str(certificate))  # fmt: skip
    return certificate, key


class Papers:
    """An authority of the plant, a certificate of it for 127.0.0.1, one for elsewhere, and one of somebody else's."""

    def __init__(self, folder: Path) -> None:
        self.right = _issue(folder, "right", "plant", "127.0.0.1")
        self.elsewhere = _issue(folder, "elsewhere", "plant", "10.9.8.7")
        self.foreign = _issue(folder, "foreign", "somebody", "127.0.0.1")
        self.authority = folder / "plant.pem"


@pytest.fixture(name="papers", scope="module")
def all_papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


class Proxy:
    """Joins who asks with CONNECT; notes every byte that comes before that, and heads of what it is to pass on."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.answer = b"HTTP/1.1 200 joined\r\nProxy-Agent: a test's\r\n\r\n"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client:
                    self._serve_one(client)

    def _serve_one(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            piece = client.recv(1 << 16)
            if not piece:
                return
            head += piece
        self.heads.append(head)
        client.sendall(self.answer)
        if head.startswith(b"CONNECT ") and b" 200 " in self.answer:
            host, _, port = head.split()[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as other:
                there = threading.Thread(target=_pump, args=(client, other))
                there.start()
                _pump(other, client)
                there.join()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def _pump(source: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            to.sendall(piece)
        to.shutdown(socket.SHUT_WR)


@contextmanager
def _proxy() -> Iterator[Proxy]:
    made = Proxy()
    try:
        yield made
    finally:
        made.close()


def test_it_goes_to_who_has_papers_of_the_plants_authority(papers: Papers) -> None:
    with receiving(papers=papers.right) as receiver:
        Webhook(receiver.url, KEY, papers.authority).send(Message("m1", BODY), 20)
        assert (receiver.ids, receiver.forged) == (["m1"], 0)
        with pytest.raises(NotDelivered, match="its certificate is not trusted: unable to get local issuer"):
            Webhook(receiver.url, KEY).send(Message("m2", BODY), 20)  # the machine does not know the plant
        assert receiver.ids == ["m1"]


def test_it_goes_to_nobody_who_has_others(papers: Papers) -> None:
    for shown, why in ((papers.elsewhere, "IP address mismatch"), (papers.foreign, "unable to get local issuer")):
        with receiving(papers=shown) as receiver:
            with pytest.raises(NotDelivered, match=f"its certificate is not trusted: .*{why}"):
                Webhook(receiver.url, KEY, papers.authority).send(Message("m1", BODY), 20)
            _until_cut_off(receiver)
            assert receiver.received == []


def _until_cut_off(receiver: Receiver) -> None:
    until(lambda: receiver.cut_off == 1)


def test_who_speaks_no_tls_sees_nothing_of_it(papers: Papers) -> None:
    with receiving() as receiver, pytest.raises(NotDelivered):
        Webhook(receiver.url.replace("http:", "https:"), KEY, papers.authority).send(Message("m1", BODY), 20)
    assert receiver.paths == []
    seen = b""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            nonlocal seen
            client, _ = listener.accept()
            with client:
                seen = client.recv(1 << 16)
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(NotDelivered):
            Webhook(f"https://127.0.0.1:{listener.getsockname()[1]}/", KEY).send(Message("m1", BODY), 20)
        thread.join()
    assert seen[:1] == b"\x16"  # a handshake of TLS
    assert b"secret" not in seen


def test_through_a_proxy_tls_goes_as_it_is(papers: Papers) -> None:
    with receiving(papers=papers.right) as receiver, _proxy() as proxy:
        Webhook(receiver.url, KEY, papers.authority, proxy.url).send(Message("m1", BODY), 20)
        assert (receiver.ids, receiver.forged) == (["m1"], 0)
        (head,) = proxy.heads
        assert head.startswith(b"CONNECT 127.0.0.1:")
        assert b"hook" not in head
        proxy.answer = b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"
        with pytest.raises(NotDelivered, match=r"the proxy 127\.0\.0\.1:\d+ answered 407"):
            Webhook(receiver.url, KEY, papers.authority, proxy.url).send(Message("m2", BODY), 20)
        assert receiver.ids == ["m1"]


def test_through_a_proxy_what_is_no_tls_is_passed_on() -> None:
    with _proxy() as proxy:
        Webhook("http://plant.example/hook?line=1", KEY, proxy=proxy.url).send(Message("m1", BODY), 20)
        assert proxy.heads[0].startswith(b"POST http://plant.example/hook?line=1 HTTP/1.1\r\nHost: plant.example\r\n")


@pytest.mark.parametrize("proxy", ["https://proxy.example:3128", "proxy.example:3128", "http://proxy.example/path"])
def test_a_proxy_is_an_address_of_one(proxy: str) -> None:
    with pytest.raises(SettingsInvalid, match=r"alert-webhook-proxy: an address was expected .*http://"):
        load_settings({}, {"alert_webhook_proxy": proxy})


ALERTS = """
[[server.alerts]]
name = "rejected"
when = "nok_in_a_row"
frames = 1
"""


def _project(folder: Path, receiver: Receiver, authority: Path) -> Path:
    key = folder.parent / "webhook.key"
    key.write_text(f"{KEY}\n")
    to = f'alert_webhook = "{receiver.url}"\nalert_webhook_key_file = "{key}"\nalert_webhook_ca_file = "{authority}"\n'
    return project_in(folder, f"[server]\nworkers = 1\n{to}{ALERTS}")


def test_log_and_page_say_that_a_certificate_is_wrong_and_it_is_sent_once_it_is_right(
    tmp_path: Path, papers: Papers
) -> None:
    with receiving(papers=papers.foreign) as receiver:
        port = int(receiver.url.partition("127.0.0.1:")[2].partition("/")[0])
        with serving(_project(tmp_path / "p", receiver, papers.authority)) as server:
            post(server, "nok")
            until(lambda: "not trusted" in (_webhook(server)["error"] or ""))
            with server.client() as client:
                page = client.get("/").text
            assert "Alerts are not sent" in page
            assert "its certificate is not trusted: unable to get local issuer certificate" in page
            assert any("could not be delivered: its certificate is not trusted" in line for line in server.log)
            assert receiver.received == []
            receiver.close()
            with receiving(port, papers.right) as other:
                until(lambda: other.names() == [("alert.began", "rejected")])
                until(lambda: _webhook(server)["error"] == "")
            with server.client() as client:
                assert "Alerts are not sent" not in client.get("/").text


def _webhook(server: Server) -> dict[str, str]:
    with server.client() as client:
        found: dict[str, str] = client.get("/api/v1/alerts").json()["webhook"]
        return found
