"""Files that pages ask for: each under a name with a checksum of its content, so that browsers may keep it for good."""

from __future__ import annotations

import gzip
import hashlib
from importlib.resources import files
from typing import NamedTuple

import falcon

from service.own_errors import NotFound

_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_FOR_GOOD = "public, max-age=31536000, immutable"


class _File(NamedTuple):
    content: bytes
    zipped: bytes
    kind: str
    seal: str


class StaticFiles:
    """`GET /static/{name}`: files of the folder `static`, from memory; `name` is the file's with its seal in it."""

    def __init__(self) -> None:
        folder = files("service.panel").joinpath("static")
        self._files = {
            entry.name: _read(entry.read_bytes(), kind)
            for entry in folder.iterdir()
            if (kind := _TYPES.get("." + entry.name.rpartition(".")[2]))
        }

    def address(self, name: str) -> str:
        """Return where a file is found, from the root of the server: `page.css` is `static/page.1a2b3c.css`."""
        stem, _, ending = name.rpartition(".")
        return f"static/{stem}.{self._files[name].seal}.{ending}"

    def on_get(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Answer with a file; under the name of another version of it with the present one, which is not kept."""
        stem, _, ending = name.rpartition(".")
        stem, _, seal = stem.rpartition(".")
        self.answer(req, resp, f"{stem}.{ending}", seal)

    on_head = on_get

    def answer(self, req: falcon.Request, resp: falcon.Response, name: str, seal: str = "") -> None:
        """Answer with the file that is called so in its folder; raises NotFound."""
        file = self._files.get(name)
        if file is None:
            raise NotFound("there is no such file of the page")
        resp.content_type = file.kind
        resp.set_header("Cache-Control", _FOR_GOOD if seal == file.seal else "no-cache")
        resp.set_header("X-Content-Type-Options", "nosniff")
        resp.set_header("Vary", "Accept-Encoding")
        zips = "gzip" in (req.get_header("Accept-Encoding") or "")
        if zips:
            resp.set_header("Content-Encoding", "gzip")
        resp.data = file.zipped if zips else file.content


class Favicon:
    """`GET /favicon.ico`: browsers ask for it whatever a page says."""

    def __init__(self, static: StaticFiles) -> None:
        self._static = static

    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        """Answer with the sign, which is a drawing."""
        self._static.answer(req, resp, "icon.svg")

    on_head = on_get


def _read(content: bytes, kind: str) -> _File:
    return _File(content, gzip.compress(content, mtime=0), kind, hashlib.sha256(content).hexdigest()[:12])
