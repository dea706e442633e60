"""The golden image beside a frame is one of the project, whatever a client has said."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.decisions.line import line, part_picture, send
from tests.support.pictures import png


@pytest.mark.long
def test_a_golden_image_is_of_the_project_whatever_the_data_says(tmp_path: Path) -> None:
    folder = tmp_path / "plates"
    (folder / "references").mkdir(parents=True)
    (folder / "references" / "a.png").write_bytes(png(part_picture(0, is_bad=False)))
    (folder / "secret.png").write_bytes(b"secret")
    toml = '[[flow]]\nmodule = "reference"\nimage = "references/{data}.png"\n'
    with line(folder, toml=toml) as server, server.client() as client:

        def golden(data: str) -> httpx.Response:
            return client.get(f"/parts/{send(server, data)}/golden")

        assert golden("a").headers["Content-Type"] == "image/png"
        for data in ("b", "../../secret", "/etc/passwd\0", "x" * 5000, "../code/../references/../../../../../etc/a"):
            assert golden(data).status_code == 404
