"""A project's files, copied and hashed as they were at one moment.

::

    HASH-X/                           locked (flock) by whoever uses it; see shelf.py
      |- files/                       the copy; nobody has the right to write there
      '- manifest.json                where it is from, and each file's look and digest

Each file is looked at before and after it is read, and all of them once more at the end: what changed meanwhile is read
again, so that the copy is what lay on disk at the end. The hash is blake2b over the names, in their order, and the
digests of all files: the whole framemill.toml with its [server] too, so whoever has the files can say which version
they are. What was changed at the line (workers/flow/overrides.py) is one more file of the copy, where there is any.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from workers.errors import ProjectInvalid
from workers.flow.overrides import IN_COPY
from workers.versions.listing import Listing, Look, list_project

FILES = "files"
MANIFEST = "manifest.json"
_PIECE_BYTES = 1 << 20
_SETTLED_NS = 20_000_000  # a write within the kernel's tick of the last one changes no time
_PAUSE_S = 0.02
_PATIENCE_S = 5.0


class NoPlace(Exception):
    """A copy cannot be written there; the text says why."""


class _Changed(Exception):
    """A file is not any more what it was; the text is its name."""


class Kept(NamedTuple):
    """A file of a version: how it looked when it was copied, and its content's digest."""

    look: Look
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version is made of. `apart` are folders that are no part of it.

    `overrides` is the file with what was changed at the line, `overrides_digest` that of its content, '' for none.
    """

    version: str
    origin: Path
    apart: tuple[Path, ...]
    files: Mapping[str, Kept]
    overrides: Path = Path()
    overrides_digest: str = ""

    def write(self, folder: Path) -> None:
        """Write it beside the copy; with escapes, for names may be anything."""
        document = {
            "version": self.version,
            "origin": str(self.origin),
            "apart": [str(path) for path in self.apart],
            "overrides": [str(self.overrides), self.overrides_digest],
            "files": {name: [*kept.look, kept.digest] for name, kept in self.files.items()},
        }
        (folder / MANIFEST).write_text(json.dumps(document), "ascii")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read it; raises OSError."""
        found = json.loads((folder / MANIFEST).read_text("ascii"))
        files = {name: Kept(Look(*look), digest) for name, (*look, digest) in found["files"].items()}
        path, digest = found["overrides"]
        return cls(found["version"], Path(found["origin"]), tuple(map(Path, found["apart"])), files, Path(path), digest)


class Laid(NamedTuple):
    """What was changed at the line: the file that it is kept in, and its content."""

    path: Path
    content: bytes = b""


NOTHING_LAID = Laid(Path())


def copy_project(
    origin: Path, folder: Path, apart: Iterable[Path], laid: Laid = NOTHING_LAID, source: Path | None = None
) -> tuple[Manifest, Listing]:
    """Copy the project in `origin`, without the folders `apart`, into the empty `folder`; see above.

    `laid` is laid over it. Where a `source` is given, which is a copy of the project, that is copied instead.

    Raises:
        ProjectInvalid: it is not there, or does not keep still.
        NoPlace: `folder` cannot be written to.
    """
    apart = tuple(apart)
    copying = _Copying(source or origin, folder / FILES)
    give_up_s = time.monotonic() + _PATIENCE_S
    while True:
        try:
            listing = list_project(source or origin, apart)
            if copying.has(listing):
                break
            copying.bring_up_to(listing)
        except (_Changed, FileNotFoundError, NotADirectoryError) as error:
            if not (source or origin).is_dir():
                msg = f"{origin}: the folder is not there any more"
                raise ProjectInvalid(msg) from None
            copying.restless = str(error)
        except OSError as error:
            msg = f"{error.filename}: cannot be read: {error.strerror}"
            raise ProjectInvalid(msg) from None
        if time.monotonic() > give_up_s:
            msg = f"{copying.restless} changes again and again while it is read; a file that does belongs elsewhere"
            raise ProjectInvalid(msg)
        time.sleep(_PAUSE_S)
    digests, laid_digest = copying.digests, ""
    if laid.content:
        laid_digest = digests[IN_COPY] = copying.lay(laid.content)
    copying.seal()
    manifest = Manifest(hash_of(digests), origin, apart, copying.kept, laid.path, laid_digest)
    with _Writing(folder):
        manifest.write(folder)
    return manifest, listing


def version_of(origin: Path, apart: Iterable[Path]) -> str:
    """Return the hash of what lies there now, without a copy and without a second look; raises OSError."""
    root = os.path.realpath(origin)
    return hash_of({name: digest_of(f"{root}/{name}") for name in list_project(origin, apart).files})


def hash_of(digests: Mapping[str, str]) -> str:
    """Return the hash of a version, 16 hexadecimal digits."""
    whole = hashlib.blake2b(digest_size=8)
    for name in sorted(digests):
        whole.update(os.fsencode(name) + b"\0" + bytes.fromhex(digests[name]))
    return whole.hexdigest()


def digest_of(path: str) -> str:
    """Return the digest of a file's content; raises OSError."""
    with open(path, "rb") as file:  # noqa: PTH123 - a name that is no UTF-8 is none for Path's own text either
        return hashlib.file_digest(file, _digest).hexdigest()


def content_digest(content: bytes) -> str:
    """Return the digest of what a file may hold."""
    whole = _digest()
    whole.update(content)
    return whole.hexdigest()


def _digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


class _Copying:
    """The copy of one project on its way."""

    def __init__(self, origin: Path, folder: Path) -> None:
        self._origin = origin
        self._folder = folder
        self._settled: set[str] = set()
        self._folders: set[str] = set()
        self.kept: dict[str, Kept] = {}
        self.restless = str(origin)
        with _Writing(folder):
            folder.mkdir()

    @property
    def digests(self) -> dict[str, str]:
        """The digest of each file."""
        return {name: kept.digest for name, kept in self.kept.items()}

    def has(self, listing: Listing) -> bool:
        """Whether it is what `listing` shows, and none of it may have changed unseen."""
        return self._settled >= listing.files.keys() and {n: k.look for n, k in self.kept.items()} == listing.files

    def bring_up_to(self, listing: Listing) -> None:
        """Copy what is new, changed, or may have changed unseen; drop what is gone."""
        gone = self.kept.keys() - listing.files.keys()
        with _Writing(self._folder):
            for name in gone:
                (self._folder / name).unlink()
            for name in sorted(self._folders.difference(listing.folders), reverse=True):
                (self._folder / name).rmdir()
            for name in listing.folders:
                (self._folder / name).mkdir(exist_ok=True)
        self.kept = {name: kept for name, kept in self.kept.items() if name not in gone}
        self._folders = set(listing.folders)
        for name, look in listing.files.items():
            if name not in self._settled or self.kept[name].look != look:
                self.restless = name
                self._copy(name, look)

    def _copy(self, name: str, look: Look) -> None:
        self._settled.discard(name)
        path = os.path.join(os.path.realpath(self._origin), name)  # noqa: PTH118 - a name may be no UTF-8
        begun_ns = time.time_ns()
        # a pipe that has just taken its place would block for ever
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            if Look.of(os.fstat(fd)) != look:
                raise _Changed(name)
            digest = self._write(fd, self._folder / name)
            if Look.of(os.fstat(fd)) != look:
                raise _Changed(name)
        finally:
            os.close(fd)
        self.kept[name] = Kept(look, digest)
        if not 0 <= begun_ns - look.mtime_ns < _SETTLED_NS:
            self._settled.add(name)

    @staticmethod
    def _write(fd: int, target: Path) -> str:
        digest = _digest()
        with _Writing(target):
            target.unlink(missing_ok=True)
            out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            while piece := os.read(fd, _PIECE_BYTES):
                digest.update(piece)
                with _Writing(target):
                    while piece:
                        piece = piece[os.write(out, piece) :]
            os.fchmod(out, 0o555 if os.fstat(fd).st_mode & 0o100 else 0o444)
        finally:
            os.close(out)
        return digest.hexdigest()

    def lay(self, content: bytes) -> str:
        """Add what was changed at the line; returns its digest."""
        target = self._folder / IN_COPY
        with _Writing(target):
            target.parent.mkdir()
            target.write_bytes(content)
            target.chmod(0o444)
        self._folders.add(target.parent.name)
        return content_digest(content)

    def seal(self) -> None:
        """Take away the right to write."""
        for name in ("", *self._folders):
            (self._folder / name).chmod(0o555)


class _Writing:
    """Tells trouble with the copy from trouble with what is copied."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, OSError):
            raise NoPlace(error.strerror or str(error)) from None
