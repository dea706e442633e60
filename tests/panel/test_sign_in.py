"""Signing in with a key, sessions that can be ended, and the log of who changed what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.clients.browser import keep_picture, serious_faults
from tests.clients.guests import add_key
from tests.support.running import Server, serving, write_project

pytestmark = pytest.mark.long


@dataclass(frozen=True)
class House:
    server: Server
    keys: dict[str, str]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    file = folder / "keys.json"
    keys = {scope: add_key(f"k-{scope}", scope, file) for scope in ("analyze", "operate", "admin")}
    with serving(write_project(folder / "p"), "--fronts", "2", "--keys-file", str(file)) as server:
        yield House(server, keys)


HTML = {"Accept": "text/html,application/xhtml+xml"}


@contextmanager
def _sign_in(house: House, scope: str) -> Iterator[httpx.Client]:
    with house.server.client(**HTML) as client:
        answer = client.post("/sign_in", data={"key": house.keys[scope]})
        assert answer.status_code == 303, answer.text
        yield client


def test_a_browser_without_a_key_is_sent_to_the_form_and_back(house: House) -> None:
    with house.server.client(**HTML) as client:
        for path, place in (("/", "./sign_in?to="), ("/log?before=1", "./sign_in?to=log%3Fbefore%3D1")):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["Location"]) == (303, place)
        assert client.get("/", headers={"Accept": "*/*"}).status_code == 401  # a program
        for to in ("log", "//elsewhere.example", "http://elsewhere.example/"):
            answer = client.post("/sign_in", data={"key": house.keys["operate"], "to": to})
            assert answer.status_code == 303
            assert client.base_url.join(answer.headers["Location"]).host == client.base_url.host
        cookie = answer.headers["Set-Cookie"]
        assert house.keys["operate"] not in cookie
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie


def test_a_wrong_key_lets_nobody_in_and_another_site_signs_nobody_in(house: House) -> None:
    with house.server.client(**HTML) as client:
        for key in ("", "wrong", "x" * 5000, "\U0001f600\x00<b>"):
            answer = client.post("/sign_in", data={"key": key})
            assert answer.status_code == 401
            assert "This key is wrong." in answer.text
            assert "Set-Cookie" not in answer.headers
        other = {"Origin": "http://elsewhere.example"}
        assert client.post("/sign_in", data={"key": house.keys["admin"]}, headers=other).status_code == 403
        assert client.post("/sign_in", content=b"\xff\xfe\x00").status_code in {400, 401}
    with _sign_in(house, "operate") as client:
        assert client.get("/log").text.count("Wrong key at signing in") >= 4


@pytest.mark.parametrize(("scope", "throws", "reads_log"), [("analyze", 403, 403), ("operate", 303, 200)])
def test_who_signs_in_may_do_what_the_key_is_for(house: House, scope: str, throws: int, reads_log: int) -> None:
    with _sign_in(house, scope) as client:
        page = client.get("/")
        assert f"Signed in as k-{scope}" in page.text
        assert ("disabled" in page.text) == (throws == 403)
        assert client.post("/process", data={"process": "on"}).status_code == throws
        log = client.get("/log")
        assert log.status_code == reads_log
        assert log.headers["Content-Type"].startswith("text/html")
        assert ("That did not work" in log.text) == (reads_log == 403)


def test_a_session_that_is_ended_is_over_in_all_fronts_at_the_next_request(house: House) -> None:
    with _sign_in(house, "operate") as mine, _sign_in(house, "operate") as other, _sign_in(house, "admin") as admin:
        assert other.get("/").status_code == 200
        session = other.cookies["framemill"].split(".")[2]
        assert session in mine.get("/log").text
        admins = admin.cookies["framemill"].split(".")[2]
        assert f'value="{admins}"' not in mine.get("/log").text
        assert mine.post("/log/end", data={"session": admins}).status_code == 403
        assert mine.post("/log/end", data={"session": session}).status_code == 303
        for _ in range(8):  # a new connection each, so both fronts
            with house.server.client(Cookie=f"framemill={other.cookies['framemill']}") as stranger:
                assert stranger.get("/").status_code == 401
        assert mine.get("/").status_code == 200
        for wanted in ("", session, "../../x", "0" * 16):
            assert mine.post("/log/end", data={"session": wanted}).status_code == 404
        assert admin.post("/sign_out").headers["Location"] == "./sign_in"
        assert admin.get("/").status_code == 303


def test_the_log_says_who_did_what_from_where(house: House) -> None:
    with _sign_in(house, "admin") as client:
        client.post("/process", data={"process": "off"})
        client.put("/api/v1/process", json={"process": True}, headers={"X-API-Key": house.keys["operate"]})
        reload = client.post("/api/v1/reload?wait_s=60", headers={"X-API-Key": house.keys["admin"]})
        assert reload.status_code == 200
        page = client.get("/log").text
        rows = [" ".join(_text(row).split()) for row in page.split("<tr>")[1:]]
        for words in (
            "k-admin 127.0.0.1 Process switched off",
            "k-operate 127.0.0.1 Process switched on",
            "k-admin 127.0.0.1 Project reloaded outcome done",
            "k-admin 127.0.0.1 Signed in for admin",
        ):
            assert any(words in row for row in rows), (words, rows)
        assert "Thrown by k-operate (127.0.0.1)," in client.get("/").text


def _text(piece: str) -> str:
    return re.sub(r"<[^>]*>", " ", piece)


def test_a_long_log_has_pages(house: House) -> None:
    with _sign_in(house, "operate") as client:
        for number in range(60):
            client.post("/process", data={"process": "on" if number % 2 else "off"})
        first = client.get("/log")
        cursor = first.text.split("log?before=")[1].split('"')[0]
        second = client.get(f"/log?before={cursor}")
        assert "Newest" in second.text
        assert first.text.count("Process switched") == 50
        assert second.text.count("Process switched") >= 10
        for before in ("x", "-1", "9" * 40, "\u0661"):
            assert client.get("/log", params={"before": before}).status_code == 400


@pytest.fixture
def stranger(browser: Browser) -> Iterator[Page]:
    """A page of a browser that nobody has signed in from; that it is refused is in its console."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", color_scheme="light")
    yield context.new_page()
    context.close()


def test_in_a_browser_by_keyboard_and_a_live_page_says_that_its_session_has_ended(house: House, stranger: Page) -> None:
    stranger.goto(house.server.url)
    key = stranger.get_by_label("Key")
    expect(key).to_be_focused()
    assert not serious_faults(stranger)
    keep_picture(stranger, "sign-in-1280-light")
    stranger.keyboard.type("wrong")
    stranger.keyboard.press("Enter")
    expect(stranger.get_by_role("alert")).to_have_text("This key is wrong.")
    assert not serious_faults(stranger)
    expect(key).to_be_focused()
    stranger.keyboard.type(house.keys["operate"])
    stranger.keyboard.press("Enter")
    expect(stranger.get_by_text("Signed in as k-operate")).to_be_visible()
    expect(stranger.get_by_role("navigation").get_by_role("link", name="Log")).to_be_visible()
    [cookie] = [one for one in stranger.context.cookies() if one.get("name") == "framemill"]
    with _sign_in(house, "admin") as admin:
        admin.post("/log/end", data={"session": cookie.get("value", "").split(".")[2]})
    expect(stranger.get_by_role("alert")).to_contain_text("This session has ended.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_log_page_is_right_for_all_and_kept_as_pictures(house: House, browser: Browser, scheme: Any) -> None:
    with _sign_in(house, "admin") as client:
        client.post("/process", data={"process": "off"})
        client.post("/process", data={"process": "on"})
        for width_px, height_px in ((1280, 800), (400, 800), (1920, 1080)):
            context = browser.new_context(
                viewport={"width": width_px, "height": height_px}, color_scheme=scheme, locale="en"
            )
            try:
                context.add_cookies(
                    [{"name": "framemill", "value": client.cookies["framemill"], "url": house.server.url}]
                )
                shown = context.new_page()
                shown.goto(f"{house.server.url}/log")
                expect(shown.get_by_role("heading", name="Sessions")).to_be_visible()
                assert not serious_faults(shown)
                for button in shown.get_by_role("button").all()[:4]:
                    button.hover()
                    assert not serious_faults(shown)
                    button.focus()
                    assert not serious_faults(shown)
                assert shown.evaluate("document.documentElement.scrollWidth") <= width_px
                keep_picture(shown, f"log-{width_px}-{scheme}")
            finally:
                context.close()


def test_without_keys_nobody_signs_in_and_the_page_says_so(tmp_path: Path) -> None:
    with serving(write_project(tmp_path / "p")) as server, server.client(**HTML) as client:
        assert client.get("/sign_in").headers["Location"] == "./"
        page = client.get("/log").text
        assert "asks for no keys" in page
        assert "Nothing has been changed yet." in page
        assert "Sign in" not in client.get("/").text
        assert client.get("/nothing").text.count("there is nothing at /nothing") == 1
        assert client.get("/api/v1/nothing").json()["code"] == "not_found"
