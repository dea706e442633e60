"""A real browser before the page: Debian's Chromium, one for a whole run; and what axe finds wrong with a page."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.children import from_debian
from tests.support.running import CHECKOUT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

AXE = CHECKOUT / "tests" / "panel" / "vendored" / "axe-4.14.1.min.js"
PICTURES = CHECKOUT / "build" / "pages"
_START_S = 60.0
# what the browser, and htmx with the event that it had, say of a stream that was broken off
_ENDED = re.compile(r"net::ERR_(CONNECTION|INCOMPLETE|EMPTY)|^\[object Event\]$|htmx:sseError").search
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-port=0",
)


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a Chromium can be spoken to; it ends with the run."""
    program = from_debian("chromium")
    profile = tmp_path_factory.mktemp("chromium")
    command = [program, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield _address(process, profile / "DevToolsActivePort")
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], file: Path) -> str:
    """Return the address that a browser has written down, once it has."""
    give_up_s = time.monotonic() + _START_S
    while time.monotonic() < give_up_s and process.poll() is None:
        lines = file.read_text().split("\n") if file.exists() else []
        if len(lines) >= 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        process_is_there = process.poll() is None
        assert process_is_there
        time.sleep(0.02)
    raise AssertionError("chromium did not start")


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """The browser, for the tests of a module: open pages in contexts of your own, `browser.new_context(...)`.

    It is let go with its module, for Playwright keeps a loop of asyncio running, which other tests want for themselves.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a desk without browser need not have it

    with sync_playwright() as playwright:
        connected = playwright.chromium.connect_over_cdp(chromium)
        try:
            yield connected
        finally:
            for context in connected.contexts[1:]:
                context.close()
            connected.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own, 1280 x 800 px, light, in English; it fails where its console has an error at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB", color_scheme="light")
    opened = context.new_page()
    said = console_errors(opened)
    yield opened
    context.close()
    assert said == [], said


def console_errors(page: Page) -> list[str]:
    """Return a list that errors of this page are added to, a broken rule of its content policy among them.

    That a server has ended, and its stream of events with it, is no fault of the page.
    """
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda one: said.append(one.text) if one.type == "error" and not _ENDED(one.text) else None)
    return said


def serious_faults(page: Page) -> list[str]:
    """Return what axe calls serious or critical in a page as it is now."""
    if page.evaluate("typeof window.axe") == "undefined":
        page.evaluate(AXE.read_text())
    found: dict[str, Any] = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{fault['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
        for fault in found["violations"]
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"]
    ]


def keep_picture(page: Page, name: str) -> Path:
    """Keep a picture of the whole page in `build/pages`, to be looked at."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path
