"""The frame of all pages: words in every language and nowhere else, files that may be kept, a policy without holes."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from service.errors import STATUS
from service.panel.languages import Language, all_languages
from tests.clients.browser import serious_faults
from tests.clients.page import Tags
from tests.support.running import CHECKOUT, Server

pytestmark = pytest.mark.long

PANEL = CHECKOUT / "service" / "panel"
TEMPLATES = sorted((PANEL / "templates").rglob("*.html"))
JINJA = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
TEXT_ATTRIBUTES = re.compile(r'\b(?:alt|title|aria-label|placeholder|aria-description)="([^"]*)"')
# names of programs, paths, units: the same in every language
SAME_EVERYWHERE = re.compile(
    r"&\w+;|\b(?:ms|px)\b|<code>.*?</code>|<!doctype html>|<(style|script)\b.*?</\1>", re.DOTALL
)
KEY = re.compile(r"""["']([a-z_]+)\.([a-z_0-9]+)(?<!\.css|.\.js|html|\.svg)["'](?!\s*~)""")


@pytest.fixture(scope="module")
def languages() -> dict[str, Language]:
    return all_languages()


def test_all_languages_have_the_same_words_with_the_same_values(languages: dict[str, Language]) -> None:
    english = languages["en"]
    for language in languages.values():
        assert set(language.words) == set(english.words)
        for key, words in language.words.items():
            assert _fields(words) == _fields(english.words[key]), key
            assert isinstance(words, dict) == isinstance(english.words[key], dict), key


def _fields(words: str | dict[str, str]) -> set[str]:
    forms = words.values() if isinstance(words, dict) else [words]
    return {field for form in forms for field in re.findall(r"\{(\w+)\}", form)}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_words_of_its_own(template: Path, languages: dict[str, Language]) -> None:
    source = template.read_text()
    plain = SAME_EVERYWHERE.sub("", JINJA.sub("", source))
    assert not re.findall(r"[^\W\d_]{2,}", re.sub(r"<[^>]*>", "", plain)), template.name
    for words in TEXT_ATTRIBUTES.findall(plain):
        assert not re.search(r"[^\W\d_]{2,}", words), words
    tables = {key.partition(".")[0] for key in languages["en"].words}
    for table, key in KEY.findall("".join(JINJA.findall(source))):
        assert table not in tables or languages["en"].has(f"{table}.{key}"), key


@pytest.mark.parametrize(
    ("n", "english", "czech"),
    [
        (0, "0 minutes ago", "před 0 minutami"),
        (1, "1 minute ago", "před 1 minutou"),
        (3, "3 minutes ago", "před 3 minutami"),
        (5000, "5,000 minutes ago", "před 5\u202f000 minutami"),
    ],
)
def test_numbers_and_forms_are_those_of_the_language(
    languages: dict[str, Language], n: int, english: str, czech: str
) -> None:
    assert languages["en"].say("frame.minutes_ago", n=n) == english
    assert languages["cs"].say("frame.minutes_ago", n=n) == czech
    assert languages["en"].number(1234.56, 1) == "1,234.6"
    assert languages["cs"].number(1234.56, 1) == "1\u202f234,6"


def test_what_went_wrong_is_said_in_words_for_errors_that_there_are(languages: dict[str, Language]) -> None:
    for language in languages.values():
        told = {key.partition(".")[2] for key in language.words if key.startswith("trouble_of.")}
        assert told <= set(STATUS)
        assert {"history_away", "no_history", "not_found", "forbidden", "internal_error"} <= told


def test_values_stay_values_whatever_they_look_like(languages: dict[str, Language]) -> None:
    assert languages["en"].say("frame.signed_in", who="{version.__class__}") == "Signed in as {version.__class__}"


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        ({}, "en"),
        ({"Accept-Language": "cs-CZ,cs;q=0.9,en;q=0.8"}, "cs"),
        ({"Accept-Language": "de, en;q=0.3, cs;q=0.5"}, "cs"),
        ({"Accept-Language": "cs;q=0, en"}, "en"),
        ({"Accept-Language": "cs;q=9,;;;" + "x" * 5000}, "en"),
        ({"Cookie": "framemill_language=cs", "Accept-Language": "en"}, "cs"),
        ({"Cookie": "framemill_language=../../etc/passwd"}, "en"),
    ],
)
def test_a_browser_has_the_language_that_it_asks_for(client: httpx.Client, asked: dict[str, str], got: str) -> None:
    answer = client.get("/", headers=asked)
    assert Tags(answer.text).named("html")[0]["lang"] == got
    assert answer.headers["Content-Language"] == got


def test_the_switch_of_languages_stays_where_it_was_and_on_this_server(client: httpx.Client) -> None:
    for to in (
        "parts?verdict=NOK",
        "//elsewhere.example",
        "https://elsewhere.example/",
        "\\\\elsewhere",
        "a\r\nSet-Cookie: b",
    ):
        answer = client.post("/language", data={"language": "cs", "to": to})
        assert answer.status_code == 303
        assert "framemill_language=cs" in answer.headers["Set-Cookie"]
        there = answer.headers["Location"]
        assert there.startswith("./")
        assert httpx.URL(client.base_url).join("/").join(there).host == client.base_url.host
    assert client.post("/language", data={"language": "xx"}).status_code == 400
    client.cookies.clear()


def test_files_of_the_page_may_be_kept_for_good_by_their_content(client: httpx.Client) -> None:
    tags = Tags(client.get("/").text)
    addresses = [str(tag["href"]) for tag in tags.named("link")] + [str(tag["src"]) for tag in tags.named("script")]
    assert len(addresses) >= 3
    for address in addresses:
        answer = client.get("/" + address)
        assert answer.status_code == 200, address
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    stem, _, ending = addresses[-1].rpartition(".")
    of_another_version = client.get(f"/{stem.rpartition('.')[0]}.000000000000.{ending}")
    assert of_another_version.headers["Cache-Control"] == "no-cache"
    assert of_another_version.content == answer.content
    for name in ("nothing.000000000000.css", "..%2f__init__.py", "page.css", "LICENSES.000000000000.txt", "x" * 3000):
        assert client.get(f"/static/{name}").status_code == 404
    assert client.get("/favicon.ico").headers["Content-Type"] == "image/svg+xml"


def test_no_page_holds_scripts_or_styles_or_asks_elsewhere() -> None:
    for template in TEMPLATES:
        source = template.read_text()
        assert not re.search(r"<style\b|\bstyle=|\bon[a-z]+=|javascript:|https?://|hx-on", source), template.name
        assert not re.search(r"<script(?![^>]*\bsrc=)", source), template.name


def test_the_frame_is_right_by_keyboard_and_for_readers(page: Page, server: Server) -> None:
    page.goto(server.url)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    assert not serious_faults(page)
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    expect(page.get_by_role("navigation").get_by_role("link", name="Live")).to_have_attribute("aria-current", "page")
    levels = [int(heading.evaluate("e => e.tagName[1]")) for heading in page.get_by_role("heading").all()]
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.soak  # tests/whole_page looks at each page in each size, too
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_is_right_for_all_at_every_size(server: Server, browser: Browser, scheme: Any) -> None:
    context = browser.new_context(color_scheme=scheme, locale="cs-CZ" if scheme == "dark" else "en-GB")
    try:
        page = context.new_page()
        page.goto(server.url)
        places = [str(link.get_attribute("href")) for link in page.get_by_role("navigation").get_by_role("link").all()]
        assert len(places) >= 2
        for place in places:
            for width_px, height_px in ((1280, 800), (400, 800), (1920, 1080)):
                page.set_viewport_size({"width": width_px, "height": height_px})
                page.goto(f"{server.url}/{place.removeprefix('./')}")
                assert page.evaluate("document.documentElement.scrollWidth") <= width_px, place
                assert not serious_faults(page), place
            for control in page.get_by_role("link").or_(page.get_by_role("button")).all()[:12]:
                control.focus()
                if control.is_visible():
                    control.hover()
            assert not serious_faults(page), place
    finally:
        context.close()
