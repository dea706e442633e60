"""A module is taught, from pictures in folders to the file in the project."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from service.taught.summary import gathered_lines
from service.taught.wished import Asked, keep_backbone, wish_for
from service.tryout.inspecting import Trial, begin
from workers.errors import FramemillError
from workers.teaching.gathering import Form, Gathered, Source, gather
from workers.teaching.teaching import LEAST_PICTURES, Taught, teach
from workers.text import Told

if TYPE_CHECKING:
    from collections.abc import Iterable

    from service.taught.chosen import Chosen
    from workers.teaching.teaching import Wish


class TaughtElsewhere(FramemillError):
    """Somebody else teaches this project just now."""

    code = "taught_elsewhere"


class TooFewPictures(FramemillError):
    """There is not enough to learn from; the message says how many there are."""

    code = "too_few_pictures"


@dataclass(frozen=True, slots=True)
class Watching:
    """Who watches: `frames` is handed what is to come of the pictures, and how many they are; `bar` gives who is told
    of the learning; `tell` is told in words.
    """

    frames: Callable[[Iterable[Path], int], Iterator[Path]]
    bar: Callable[[str], AbstractContextManager[Callable[[str, float], None]]]
    tell: Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Training:
    """A project, the module in it that learns, what is asked for, and a folder for as long as it takes."""

    trial: Trial
    chosen: Chosen
    asked: Asked
    told: Told
    folder: Path
    watching: Watching

    def run(self, files: Sequence[Path]) -> Taught | None:
        """Learn from these files, and write what was learned into the project; None where all of it was known.

        Raises:
            TooFewPictures: there are not enough that the module would see.
            TaughtElsewhere: another process teaches this project.
            ProjectInvalid, WrongWish, LessonFailed: it cannot be done; the message says why.
            OSError: the machine refuses a process, or a file.
        """
        with _alone(self.chosen.folder):
            return self._run(files)

    def _run(self, files: Sequence[Path]) -> Taught | None:
        wish = wish_for(self.asked, self.chosen, self.folder, self.trial.settings.workers, self.watching.tell)
        gathered = self._gathered(wish, files)
        if not gathered.files and gathered.known:
            return None
        least = 1 if wish.before else LEAST_PICTURES
        if len(gathered.files) < least:
            there = f"{len(gathered.files)} of {len(files)} pictures can be learned from"
            raise TooFewPictures(f"{there}; expected {least} at least, and some hundreds are good")
        with self.watching.bar("learns") as tell:
            taught = teach(wish, gathered, tell)
        return self._written(wish, taught)

    def _gathered(self, wish: Wish, files: Sequence[Path]) -> Gathered:
        pictures = self.folder / "pictures"
        pictures.mkdir()
        gathered = Gathered(pictures)
        start = begin(self.trial, seen_by=self.chosen.id)
        about = wish.before.about if wish.before else None
        known = frozenset(about.good) if about else frozenset[str]()
        taught = Form(*about.image_px, about.channels) if about else None
        processes = self.trial.processes(len(files))
        source = Source(start, processes, files, self.told, known, taught)
        for _ in self.watching.frames(gather(source, gathered), len(files)):
            pass
        for line in gathered_lines(gathered, len(files)):
            self.watching.tell(line)
        return gathered

    def _written(self, wish: Wish, taught: Taught) -> Taught:
        backbone = wish.backbones.get(taught.about.method)
        with _folder_for(self.chosen):
            if backbone is None or wish.before is not None:
                taught.write(self.chosen.path)
                return taught
            kept, is_new = keep_backbone(backbone, self.chosen)
            try:
                taught = replace(taught, about=replace(taught.about, backbone=kept))
                taught.write(self.chosen.path)
            except BaseException:
                if is_new:
                    (self.chosen.folder / kept).unlink(missing_ok=True)
                raise
            return taught


@contextmanager
def _alone(project: Path) -> Iterator[None]:
    """Keep others from teaching this project meanwhile: what one of them has learned would be lost.

    Raises:
        TaughtElsewhere: somebody is at it.
        OSError: the folder cannot be opened.
    """
    folder = os.open(project, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some network drives cannot lock a folder
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                msg = f"another framemill train teaches the project {project.name} just now; try again when it is done"
                raise TaughtElsewhere(msg) from None
        yield
    finally:
        os.close(folder)


@contextmanager
def _folder_for(chosen: Chosen) -> Iterator[None]:
    """Make the folder of the file that is written; where that fails the project has no more folders than before."""
    if not chosen.folder.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the project's folder is gone", str(chosen.folder))
    folder = chosen.path.parent
    made = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        yield
    except BaseException:
        for each in made:
            with contextlib.suppress(OSError):
                each.rmdir()
        raise
