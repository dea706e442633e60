"""Names, labels and pictures that nobody would choose: pages stay whole, and nothing in them is executed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.clients.browser import console_errors, keep_picture, serious_faults
from tests.support.faults import until
from tests.support.pictures import png
from tests.support.running import Server, serving, write_project
from tests.whole_page.looks import SIZES_PX, THEMES, faults_of_layout, set_look

pytestmark = pytest.mark.long
TAGS = "<img src=x onerror=alert(1)></td></script><script>alert(2)</script>'\"&{{7*7}}{% x %}\u202e\u2067\u200f"
COMBINED = "a" + "\u0301" * 40
WORDS = {
    "tags": (TAGS * 9)[:500],
    "marks": ("\u202eabc\u2066 \u200fdef " + COMBINED + " ") * 12,
    "controls": "a\x00\x01\x07\x1b[31m\x7f\u2028\u2029\ufeff\ufffe" * 45,
    "long": "W" * 500,
    "quotes": "\"'`\\" * 125,
}
_MOST_NAME_BYTES = 200
_LONE = "%ED%A0%80%FF%C0%80" * 20  # bytes of a lone surrogate, and some that are no text at all
TELL = """
import json
def main(context):
    words = json.loads(WORDS)
    which = context["operatorInput"]["which"]
    context["result"] = False
    name = words[which] if which in words else "\\ud800\\udfff\\ud800" * 40
    context["measures"] = {name[:200]: {"value": 1e300, "unit": name[:20], "min": -1e-9, "max": 2.5}}
    many = 400 if context["imageShape"]["width"] > 1 else 1
    context["detectedRectangles"] = [
        {"x": n % 20 * 3, "y": n // 20 * 2, "width": 2, "height": 2, "label": "pit" if n % 8 else name}
        for n in range(many)
    ]
    context[name] = {name: [name]}
"""
INPUT = f"""
[[flow]]
module = "code"
file = "code/tell.py"

[[input]]
name = "which"
kind = "select"
label = {json.dumps(TAGS[:100])}
help = {json.dumps(WORDS["tags"][:200])}
choices = {json.dumps([*WORDS, "lone"])}
"""
RECORD = ("--record", "async", "--pictures", "all", "--free-disk-mib", "0")


@pytest.fixture(name="server", scope="module")
def a_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    project = write_project(
        tmp_path_factory.mktemp("hostile") / "p", INPUT, tell=f"WORDS = {json.dumps(json.dumps(WORDS))}\n{TELL}"
    )
    with serving(project, "--fronts", "1", *RECORD) as running:
        yield running


def _opened(browser: Browser, language: str) -> tuple[Page, list[str]]:
    """Return a page, and what was said or executed in it that should not have been."""
    page = browser.new_context(locale=language).new_page()
    said = console_errors(page)

    def shown(one: object) -> None:
        said.append(f"executed: {one}")
        one.dismiss()  # type: ignore[attr-defined]

    page.on("dialog", shown)
    return page, said


def _look(page: Page, server: Server, path: str, name: str) -> list[str]:
    faults = []
    page.goto(f"{server.url}/{path}")
    for theme, size_px in zip(THEMES, SIZES_PX, strict=False):
        set_look(page, size_px, theme)
        faults += [f"{name} {size_px[0]}: {one}" for one in faults_of_layout(page)]
        keep_picture(page, f"hostile-{name}-{theme}")
    set_look(page, SIZES_PX[0], "light")
    if path.startswith("parts/"):  # it has all of the words; test_every_page has axe look at each page
        faults += [f"{name}: {one}" for one in serious_faults(page)]
    return faults


def test_no_frame_yet(server: Server, browser: Browser) -> None:
    page, said = _opened(browser, "en-GB")
    faults = [
        fault
        for path in ("", "parts", "statistics", "threshold", "log")
        for fault in _look(page, server, path, f"none-{path}")
    ]
    page.context.close()
    assert faults + said == []


@pytest.mark.parametrize("which", [*WORDS, "lone"])
def test_hostile_words_in_every_name(server: Server, browser: Browser, which: str) -> None:
    with server.client() as client:
        state = client.get("/api/v1/inputs").json()
        assert client.put("/api/v1/inputs", json={"revision": state["revision"], "values": {"which": which}}).is_success
        frame = _sent(client, which)
    page, said = _opened(browser, "cs-CZ" if which == "tags" else "en-GB")
    faults = []
    for path in ("", "parts", f"parts/{frame}", "statistics?since=1h", "inputs", "threshold", "log"):
        faults += _look(page, server, path, f"{which}-{'frame' if frame in path else path.partition('?')[0] or 'live'}")
    page.goto(f"{server.url}/parts/{frame}")
    expect(page.locator("[data-picture]")).to_have_js_property("naturalWidth", 64)
    page.context.close()
    assert faults + said == []


def _sent(client: httpx.Client, which: str) -> str:
    """Have a frame inspected whose every name is hostile; returns its id, once its picture is kept."""
    words = quote(WORDS[which]) if which in WORDS else _LONE
    short = quote(WORDS[which].encode()[:_MOST_NAME_BYTES].decode("utf-8", "ignore")) if which in WORDS else _LONE[:360]
    image = np.zeros((48, 64), np.uint8)
    file = {"file": (WORDS.get(which, "lone\udc80").encode("utf-8", "replace").decode()[:200], png(image), "image/png")}
    known = {one["id"] for one in client.get("/api/v1/frames").json()["frames"]}
    refused = 0
    for name in ("data", "camera", "part"):
        answer = client.post(f"/analyze_image?{name}={words if name == 'data' else short}", content=png(image))
        assert answer.status_code in {200, 400}, answer.text  # what is no text is refused, and its refusal is a record
        refused += answer.status_code == 400
    answer = client.post("/analyze_image", files=file)
    assert answer.status_code == 200, answer.text
    if which in {"tags", "marks", "long", "quotes"}:
        assert refused == 0

    def kept() -> str:
        frames = client.get("/api/v1/frames").json()["frames"]
        ids = [one["id"] for one in frames if one["id"] not in known and (one["picture"] or {}).get("kept")]
        return ids[-1] if ids else ""

    return str(until(kept))


def test_a_frame_of_one_pixel(server: Server, browser: Browser) -> None:
    with server.client() as client:
        context = (
            client.post("/analyze_image?camera=one", content=png(np.zeros((1, 1), np.uint8))).raise_for_status().json()
        )
        assert context["imageShape"]["width"] == 1

        def kept() -> str:
            frames = client.get("/api/v1/frames?camera=one").json()["frames"]
            return frames[0]["id"] if frames and (frames[0]["picture"] or {}).get("kept") else ""

        frame = str(until(kept))
    page, said = _opened(browser, "en-GB")
    faults = _look(page, server, f"parts/{frame}", "one_pixel-frame") + _look(page, server, "", "one_pixel-live")
    page.context.close()
    assert faults + said == []
