"""A key for each client: what each scope allows, and that changes of the file hold while the server runs."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from service.access.key_file import Word
from service.access.startup_check import check_entrance
from service.settings import load_settings
from tests.clients.guests import add_key, keys, remove_key
from tests.support.faults import children_of, fronts_master, is_gone, until
from tests.support.pictures import png
from tests.support.running import Server, serving, start_command, write_project
from workers.errors import SettingsInvalid

pytestmark = pytest.mark.long

SCOPES: tuple[Word, ...] = ("analyze", "operate", "admin")


@dataclass(frozen=True)
class House:
    """A server with a file of keys, and one key for each scope."""

    server: Server
    file: Path
    keys: dict[str, str]

    def ask(self, key: str, method: str = "GET", path: str = "/api/v1/status", **more: Any) -> httpx.Response:
        with self.server.client(**{"X-API-Key": key}) as client:
            return client.request(method, path, **more)

    def log(self) -> str:
        return "".join(self.server.log)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    file = folder / "keys.toml"
    made = {str(scope): add_key(f"the-{scope}", scope, file) for scope in SCOPES}
    with serving(write_project(folder / "p"), "--keys-file", str(file), "--fronts", "2") as server:
        yield House(server, file, made)


def test_each_scope_allows_what_it_says_and_no_more(house: House, scene: NDArray[np.uint8]) -> None:
    asked: list[tuple[str, str, dict[str, Any], Word, int]] = [
        ("POST", "/analyze_image", {"content": png(scene)}, "analyze", 200),
        ("GET", "/last_image", {}, "analyze", 200),
        ("GET", "/", {}, "analyze", 200),
        ("GET", "/metrics", {}, "analyze", 200),
        ("GET", "/api/v1/process", {}, "analyze", 200),
        ("PUT", "/api/v1/process", {"json": {"process": True}}, "operate", 200),
        ("POST", "/process", {"data": {"process": "on"}}, "operate", 303),
        ("POST", "/api/v1/reload", {}, "admin", 202),
    ]
    for method, path, more, needed, status in asked:
        for scope in SCOPES:
            expected = status if SCOPES.index(scope) >= SCOPES.index(needed) else 403
            answer = house.ask(house.keys[scope], method, path, **more)
            assert answer.status_code == expected, (method, path, scope, answer.text)
            if expected == 403:
                assert f"the-{scope}" in answer.json()["detail"]
                assert needed in answer.json()["detail"]


def test_a_new_key_is_let_in_and_a_removed_one_shut_out_while_the_server_runs(house: House) -> None:
    fresh = add_key("late-comer", "analyze", house.file)
    until(lambda: all(house.ask(fresh).status_code == 200 for _ in range(8)))  # by both fronts
    remove_key("late-comer", house.file)
    until(lambda: all(house.ask(fresh).status_code in {401, 429} for _ in range(8)))
    assert house.ask(house.keys["analyze"]).status_code == 200


def test_a_camera_that_repeats_itself_is_shut_out_with_its_key(house: House) -> None:
    key = add_key("camera", "analyze", house.file)
    until(lambda: all(house.ask(key).status_code == 200 for _ in range(8)))
    head = (
        f"POST /analyze_raw_image?width=8&height=4 HTTP/1.1\r\nHost: camera\r\nX-API-Key: {key}\r\n"
        "Content-Length: 32\r\n\r\n"
    ).encode()

    def frame() -> int:
        line.sendall(head + bytes(32))
        answer = HTTPResponse(line, method="POST")
        answer.begin()
        answer.read()
        return answer.status

    with socket.create_connection(("127.0.0.1", house.server.port), 30) as line:
        assert [frame() for _ in range(20)] == [200] * 20
        remove_key("camera", house.file)
        until(lambda: frame() in {401, 429})
        assert {frame() for _ in range(5)} <= {401, 429}


def test_the_page_knows_its_visitor_by_a_cookie_that_ends_with_the_key(house: House) -> None:
    key = add_key("visitor", "operate", house.file)
    until(lambda: all(house.ask(key).status_code == 200 for _ in range(8)))
    with house.server.client() as browser:
        page = browser.get("/", params={"api_key": key})
        assert key not in page.text + str(page.headers)
        # the address with the key is left at once, for the bar, the history and what else browsers keep
        assert (page.status_code, page.headers["Location"], page.text) == (303, "./", "")
        assert page.headers["Cache-Control"] == "no-store"
        for words in ("HttpOnly", "SameSite=Lax", "Path=/"):
            assert words in page.headers["Set-Cookie"]
        for _ in range(8):  # both fronts
            assert browser.get("/").status_code == 200
        answer = browser.post("/process", data={"process": "on"}, headers={"Origin": house.server.url})
        assert (answer.status_code, answer.headers["Location"]) == (303, "./")
        assert browser.post("/process", data={"process": "off"}, headers={"Origin": "http://x"}).status_code == 403
        # it is for the page alone
        for method, path in (("GET", "/api/v1/status"), ("PUT", "/api/v1/process"), ("POST", "/analyze_image")):
            assert browser.request(method, path).status_code == 401
        remove_key("visitor", house.file)
        until(lambda: all(browser.get("/").status_code == 401 for _ in range(8)))
        other = add_key("visitor", "admin", house.file)
        until(lambda: all(house.ask(other).status_code == 200 for _ in range(8)))
        assert browser.get("/").status_code == 401


def test_a_visitor_of_the_page_may_not_do_more_than_with_the_key(house: House) -> None:
    with house.server.client() as browser:
        assert browser.get("/", params={"api_key": house.keys["analyze"]}).status_code == 303
        answer = browser.post("/process", data={"process": "off"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert house.server.process.poll() is None


BROKEN = {
    "not TOML": "[keys.a\n",
    "half": '[keys.the-admin]\nscope = "admin"\n',
    "a scope that does not exist": f'[keys.a]\nscope = "root"\nsha256 = "{"0" * 64}"\n',
    "gone": None,
}


def test_a_broken_file_keeps_the_keys_and_the_log_says_what_is_wrong(house: House) -> None:
    good = house.file.read_text()
    for text in BROKEN.values():
        seen = house.log().count("the keys stay as they were")
        if text is None:
            house.file.unlink()
        else:
            house.file.write_text(text)
        until(lambda seen=seen: house.log().count("the keys stay as they were") >= seen + 2)  # type: ignore[misc]
        assert all(house.ask(key).status_code == 200 for key in house.keys.values())
        house.file.write_text(good)
        house.file.chmod(0o600)
    for words in ("not TOML", "keys.the-admin.sha256: Field required", "keys.a.scope", "cannot be read"):
        assert words in house.log()


def test_a_front_that_starts_while_the_file_is_broken_knows_the_keys_of_before_it_broke(house: House) -> None:
    fresh = add_key("last", "analyze", house.file)
    remove_key("the-operate", house.file)
    until(lambda: all(house.ask(fresh).status_code == 200 for _ in range(8)))
    until(lambda: all(house.ask(house.keys["operate"]).status_code in {401, 429} for _ in range(8)))
    house.file.write_text("nonsense\n")
    for front in children_of(fronts_master(house.server)):
        os.kill(front, signal.SIGKILL)
        until(lambda front=front: is_gone(front))  # type: ignore[misc]
    until(lambda: _answers(house, fresh) == 200)
    for _ in range(8):
        assert _answers(house, fresh) == 200
        assert _answers(house, house.keys["operate"]) in {401, 429}


def _answers(house: House, key: str) -> int:
    try:
        return house.ask(key).status_code
    except httpx.TransportError:  # that front has just been killed
        return 0


def _start(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = start_command(write_project(tmp_path / "p"), *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_all_mistakes_of_keys_and_certificates_end_the_start_together(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    secret = "fm_this-was-pasted-by-mistake"
    file.write_text(
        f'[keys.a]\nscope = "root"\nsha256 = "{secret}"\n[keys."b c"]\nscope = "admin"\nsha256 = "{"1" * 64}"\n'
        "[other]\n"
    )
    file.chmod(0o600)
    env_keys = tmp_path / "empty"
    env_keys.touch()
    done = _start(tmp_path, "--keys-file", str(file), "--api-key-file", str(env_keys))
    assert done.returncode == 3
    for words in ("keys.a.scope", "keys.a.sha256", "keys.b c", "other", "api_key_file"):
        assert words in done.stderr
    assert secret not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [
        (None, 0o600, "cannot be read"),
        ("", 0o600, "no key is in"),
        (f'[keys.a]\nscope = "admin"\nsha256 = "{"1" * 64}"\n', 0o622, "can be written by others"),
        (f'[keys.api_key]\nscope = "admin"\nsha256 = "{"1" * 64}"\n', 0o600, "means the key of the setting"),
        (
            f'[keys.a]\nscope="admin"\nsha256="{"1" * 64}"\n[keys.b]\nscope="admin"\nsha256="{"1" * 64}"\n',
            0o600,
            "it has the key of a",
        ),
        ("#" * 70_000, 0o600, "more than 65536 bytes"),
    ],
)
def test_a_file_that_cannot_be_trusted_is_a_mistake(tmp_path: Path, text: str | None, mode: int, words: str) -> None:
    file = tmp_path / "keys.toml"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    with pytest.raises(SettingsInvalid, match=words):
        check_entrance(load_settings({}, {"keys_file": file}))


def test_the_command_makes_lists_and_removes_keys_and_stores_none(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    made = [keys("add", f"camera-{n}", "--scope", "analyze", file=file).stdout.strip() for n in range(3)]
    assert len({*made}) == 3
    assert all(len(key) >= 43 for key in made)
    assert not any(key in file.read_text() for key in made)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [line.split()[:2] for line in keys("list", file=file).stdout.splitlines()] == [
        [f"camera-{number}", "analyze"] for number in range(3)
    ]
    again = keys("add", "camera-1", "--scope", "admin", file=file)
    assert (again.returncode, again.stdout) == (1, "")
    assert keys("remove", "camera-1", file=file).returncode == 0
    assert keys("remove", "camera-1", file=file).returncode == 1
    assert "camera-1" not in keys("list", file=file).stdout
    assert [path.name for path in tmp_path.iterdir()] == ["keys.toml"]


def test_the_command_leaves_a_broken_file_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text("[keys.a\n")
    file.chmod(0o600)
    for arguments in (("add", "b", "--scope", "admin"), ("remove", "a"), ("list",)):
        done = keys(*arguments, file=file)
        assert done.returncode == 3
        assert "not TOML" in done.stderr
    assert file.read_text() == "[keys.a\n"


def test_a_file_of_keys_beside_the_one_key(tmp_path: Path) -> None:
    key = add_key("camera", "analyze", tmp_path / "keys.toml")
    env = {"FRAMEMILL_KEYS_FILE": str(tmp_path / "keys.toml"), "FRAMEMILL_API_KEY": "the-one"}
    with serving(write_project(tmp_path / "p"), env=env) as server, server.client() as client:
        for given, status in ((key, 403), ("the-one", 202), ("another", 401)):
            assert client.post("/api/v1/reload", headers={"X-API-Key": given}).status_code == status
