"""The page at `/`: right without scripts, safe with hostile content, and its switch works as a plain form."""

from __future__ import annotations

from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from tests.clients.page import Tags
from tests.support.pictures import png
from tests.support.running import serving, write_project


def test_it_shows_the_switch_the_workers_the_counters_and_the_last_frame(
    client: httpx.Client, scene: NDArray[np.uint8]
) -> None:
    client.post("/analyze_image", content=png(scene))
    answer = client.get("/")
    assert answer.headers["content-type"].startswith("text/html")
    for words in ("Switch process off", "2 of 2", "Free places", "64 x 48 px", "OK", "NOK"):
        assert words in answer.text
    tags = Tags(answer.text)
    assert all(tag["src"] for tag in tags.named("script"))
    picture = client.get("/" + str(tags.named("img")[0]["src"]))
    assert picture.headers["content-type"] == "image/jpeg"


def test_the_switch_is_a_form_that_comes_back_to_the_page(client: httpx.Client) -> None:
    form = _switch(client.get("/").text)
    for state, words in (("off", "Switch process on"), ("on", "Switch process off")):
        answer = client.post(f"/{form['action']}", data={"process": state}, headers={"Origin": str(client.base_url)})
        assert answer.status_code == 303
        page = client.get("/" + answer.headers["Location"].removeprefix("./"))
        assert words in page.text


def _switch(page: str) -> dict[str, str | None]:
    return next(form for form in Tags(page).named("form") if str(form["action"]).endswith("process"))


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://elsewhere.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}],
)
def test_another_sites_page_cannot_throw_the_switch(client: httpx.Client, headers: dict[str, str]) -> None:
    answer = client.post("/process", data={"process": "off"}, headers=headers)
    assert answer.status_code == 403
    assert client.get("/api/v1/process").json() == {"process": True}


def test_no_site_may_frame_the_page_and_no_browser_guess_what_it_is(client: httpx.Client) -> None:
    headers = client.get("/").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    policy = dict(rule.strip().split(" ", 1) for rule in headers["Content-Security-Policy"].split(";"))
    for rule in ("default-src", "frame-ancestors", "base-uri"):
        assert policy[rule] == "'none'"
    assert policy["form-action"] == "'self'"


def test_content_of_frames_is_shown_as_text_and_nothing_may_run(tmp_path: Path, scene: NDArray[np.uint8]) -> None:
    hostile = "<script>alert(1)</script>"
    code = (
        "def main(context):\n"
        "    context['detectedRectangles'] = [{'id': 1, 'x': 1, 'y': 1, 'width': 9, 'height': 9,\n"
        f"        'classNames': [{{'id': 1, 'label': {hostile!r}}}]}}]\n"
        f"    raise ValueError({hostile!r})\n"
    )
    project = write_project(tmp_path / "p", '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=code)
    (project / "framemill.toml").write_text(
        (project / "framemill.toml").read_text().replace('"p"', '"<script>alert(2)</script>"')
    )
    with serving(project) as server, server.client() as client:
        client.post("/analyze_image", content=png(scene))
        answer = client.get("/")
        assert all(tag.get("src") for tag in Tags(answer.text).named("script"))
        assert "&lt;script&gt;alert(1)" in answer.text
        assert "&lt;script&gt;alert(2)" in answer.text
        assert "default-src 'none'; script-src 'self'; style-src 'self';" in answer.headers["Content-Security-Policy"]


def test_with_a_key_the_page_works_with_it_in_its_address(tmp_path: Path, scene: NDArray[np.uint8]) -> None:
    env = {"FRAMEMILL_API_KEY": "k&y"}
    with serving(write_project(tmp_path / "p"), env=env) as server, server.client() as client:
        query = {"api_key": "k&y"}
        client.post("/analyze_image", params=query, content=png(scene))
        page = client.get("/", params=query, follow_redirects=True)
        tags = Tags(page.text)
        assert client.get("/" + str(tags.named("img")[0]["src"])).status_code == 200
        answer = client.post("/" + str(_switch(page.text)["action"]), data={"process": "off"})
        assert client.get("/" + answer.headers["Location"].removeprefix("./")).status_code == 200
        assert server.process.poll() is None


def test_metrics_are_in_prometheus_form_and_count(client: httpx.Client, scene: NDArray[np.uint8]) -> None:
    def frames_ok() -> float:
        line = next(
            x for x in client.get("/metrics").text.splitlines() if x.startswith('framemill_frames_total{outcome="ok"}')
        )
        return float(line.split()[1])

    before = frames_ok()
    client.post("/analyze_image", content=png(scene))
    assert frames_ok() == before + 1


LONG = """
def main(context):
    label = {"label": "L" * 200, "id": 1}
    context["detectedRectangles"] = [{"x": 1, "y": 2, "width": 9, "height": 9, "confidence": 1, "classNames": [label]}]
    raise ValueError("E" * 400)
"""


@pytest.mark.long
def test_long_words_wrap(tmp_path: Path, scene: NDArray[np.uint8], page: Page) -> None:
    name = "N" * 190
    project = write_project(tmp_path / name, '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n', c=LONG)
    with serving(project, "--workers", "1") as server, server.client() as client:
        client.post("/analyze_image", content=png(scene)).raise_for_status()
        page.goto(server.url)
        for words in (name, "E" * 400, "L" * 200):
            assert words in page.content()
        for width_px in (320, 500, 1200):
            page.set_viewport_size({"width": width_px, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width_px
