"""Make the pictures of the README anew: `.venv/bin/python docs/pictures/make.py`; needs a Chromium.

They are what a running server answers for a sample of the example board, and its page.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import httpx
import numpy as np

FOLDER = Path(__file__).parent
BOARD = FOLDER.parents[1] / "deploy" / "projects" / "board"
SAMPLE = BOARD / "samples" / "short.jpg"
WIDTH_PX, PAGE_PX = 720, (1280, 800)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def annotated(client: httpx.Client) -> None:
    """The frame as the server draws it, reduced."""
    answer = client.post("/analyze_image?response_type=annotated_image", content=SAMPLE.read_bytes())
    picture = cv2.imdecode(np.frombuffer(answer.raise_for_status().content, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    height_px = round(picture.shape[0] * WIDTH_PX / picture.shape[1])
    small = cv2.resize(picture, (WIDTH_PX, height_px), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(FOLDER / "annotated.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 88])


def page(url: str, folder: Path) -> None:
    """The page as a browser shows it."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is installed")
    shot = folder / "page.png"
    size = f"--window-size={PAGE_PX[0]},{PAGE_PX[1]}"
    profile = f"--user-data-dir={folder / 'profile'}"
    command = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", profile, size, f"--screenshot={shot}", url]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    picture = cv2.imread(str(shot))
    assert picture is not None
    small = cv2.resize(picture, None, fx=0.7, fy=0.7, interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(FOLDER / "page.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 88])


def main() -> None:
    """Start a server, ask it, end it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        project = shutil.copytree(BOARD, folder / "board")
        command = [sys.executable, "-I", "-m", "service.cli", "serve", str(project), "--port", "0"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
                for number, sample in enumerate(sorted((BOARD / "samples").glob("*.jpg")) * 3):
                    said = {"camera": ("line 1", "line 2")[number % 2], "part": str(4711 + number)}
                    client.post("/analyze_image", params=said, content=sample.read_bytes()).raise_for_status()
                annotated(client)
            time.sleep(1)  # the page says how long ago the frame was
            page(url, folder)
        finally:
            server.terminate()
            server.wait(60)


if __name__ == "__main__":
    main()
