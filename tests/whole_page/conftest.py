"""Fixtures of tests with a browser."""

from __future__ import annotations

from tests.clients.browser import browser, chromium, page

__all__ = ["browser", "chromium", "page"]
