"""Whether the project on disk is still the version that runs: asked by people and machines, never in a frame's way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from workers.errors import ProjectInvalid
from workers.flow.overrides import as_text, parse_overrides, read_overrides
from workers.versions.copy import FILES, Manifest, content_digest, digest_of
from workers.versions.listing import Look, list_project

_FRESH_S = 1.0
_MOST_NAMES = 20


class OnDisk(NamedTuple):
    """How the project on disk compares with what runs.

    `state` is "same", "differs" (a reload would take it over), "invalid" (a reload would be refused, `mistakes` say
    why), or "unknown". `files` are the names of those that differ, at most twenty.
    """

    state: str
    files: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()


def folder_of(version: str, places: Sequence[Path]) -> Path | None:
    """Return the folder with the copy of a version, one of those that lie in `places`; None where there is none."""
    copies = (found / FILES for place in places for found in place.glob(f"{version}-*"))
    return next((folder for folder in copies if folder.is_dir()), None)


class Comparison:
    """Compares at most once a second: by times and sizes first, by content where these differ."""

    def __init__(self, places: Sequence[Path]) -> None:
        """Look for the manifest of a version in the folders `places`."""
        self._places = places
        self._lock = threading.Lock()
        self._manifest: Manifest | None = None
        self._digests: dict[tuple[str, Look], str] = {}
        self._checked: tuple[tuple[dict[str, Look], bytes], tuple[str, ...]] | None = None
        self._found = OnDisk("unknown")
        self._found_for = ""
        self._found_s = 0.0

    def of(self, version: str) -> OnDisk:
        """Compare with the version that has this hash; what was found less than a second ago counts."""
        # where another thread looks, on a disk that may be slow, what was found before must do
        if self._lock.acquire(blocking=self._found_for != version):
            try:
                if self._found_for != version or time.monotonic() - self._found_s > _FRESH_S:
                    self._found = self._compare(version)
                    self._found_for, self._found_s = version, time.monotonic()
            finally:
                self._lock.release()
        return self._found

    def _compare(self, version: str) -> OnDisk:
        manifest = self._manifest_of(version)
        if manifest is None:
            return OnDisk("unknown")
        try:
            files = list_project(manifest.origin, manifest.apart).files
        except (OSError, ProjectInvalid) as error:
            return OnDisk("invalid", mistakes=(str(error),))
        names = sorted(files.keys() ^ manifest.files.keys())
        names += sorted(
            name for name in files.keys() & manifest.files.keys() if self._differs(manifest, name, files[name])
        )
        try:
            laid = as_text(read_overrides(manifest.overrides)) if manifest.overrides.name else b""
        except ProjectInvalid as error:
            return OnDisk("invalid", mistakes=tuple(error.message.splitlines()))
        if (content_digest(laid) if laid else "") != manifest.overrides_digest:
            names.append(manifest.overrides.name)
        if not names:
            return OnDisk("same")
        mistakes = self._mistakes(manifest, files, laid)
        return OnDisk("invalid" if mistakes else "differs", tuple(sorted(names)[:_MOST_NAMES]), mistakes)

    def _manifest_of(self, version: str) -> Manifest | None:
        if self._manifest is None or self._manifest.version != version:
            self._manifest = None
            self._digests.clear()
            for folder in [found for place in self._places for found in place.glob(f"{version}-*")]:
                try:
                    self._manifest = Manifest.read(folder)
                except (OSError, ValueError):  # it is being removed: another has the same content
                    continue
        return self._manifest

    def _differs(self, manifest: Manifest, name: str, look: Look) -> bool:
        kept = manifest.files[name]
        if kept.look == look:
            return False
        if kept.look.size != look.size:
            return True
        key = (name, look)
        if key not in self._digests:
            try:
                self._digests[key] = digest_of(os.path.join(os.path.realpath(manifest.origin), name))  # noqa: PTH118
            except OSError:  # it is gone by now
                return True
        return self._digests[key] != kept.digest

    def _mistakes(self, manifest: Manifest, files: dict[str, Look], laid: bytes) -> tuple[str, ...]:
        if self._checked is None or self._checked[0] != (files, laid):
            # imported here: a front asks only where something differs, and all kinds of modules come with it
            from workers.flow.project import load_project  # noqa: PLC0415

            mistakes: tuple[str, ...] = ()
            try:
                load_project(manifest.origin, overrides=parse_overrides(laid))
            except ProjectInvalid as error:
                mistakes = tuple(error.message.splitlines())
            self._checked = (files, laid), mistakes
        return self._checked[1]
