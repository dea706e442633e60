"""Libraries in C that were not built, or cannot be loaded: the server does without them."""

from __future__ import annotations

from pathlib import Path
from types import FunctionType

import pytest

from workers.gate import jpeg_scan
from workers.pixels import bayer
from workers.pixels.bayer import is_fast
from workers.pool import exchange


@pytest.mark.parametrize("load", [bayer._load, exchange._load, jpeg_scan._load])
def test_a_library_that_was_not_built_is_not_missed(
    load: FunctionType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(load.__globals__, "_LIBRARY", tmp_path / "libnone.so")
    assert load() is None
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("name", "load", "told"),
    [
        ("bayer", bayer._load, "OpenCV's slower demosaic" if is_fast() else ""),  # not even tried without vectors
        ("exchange", exchange._load, "frames take the longer way"),
        ("jpeg_scan", jpeg_scan._load, "walked by Python"),
    ],
)
def test_a_library_that_cannot_be_loaded_is_told_and_done_without(
    name: str,
    load: FunctionType,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / f"lib{name}.so").write_text("no library")
    monkeypatch.setitem(load.__globals__, "_LIBRARY", tmp_path / f"lib{name}.so")
    assert load() is None
    assert told in caplog.text
