"""One of the processes that try a project on pictures: `python -I -m workers.programs.try_process PARENT`.

It loads the project as a worker does and inspects the frames that it is told (workers/trying/try_messages.py). A frame
may well end it: that is what a process of its own is for. Where it is told no more it ends as a program does, so that
what user code leaves to be done at the end is done.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from workers.containment.streams import speak_through
from workers.errors import FramemillError
from workers.this_process import be_first_to_go, die_with_parent
from workers.trying.try_messages import Frame, Said, Start, What

if TYPE_CHECKING:
    from workers.trying.loaded import LoadedProject


def main() -> None:
    """Be such a process: user code finds no input, and what it prints outside of `main` goes to standard error."""
    die_with_parent(int(sys.argv[1]))
    sys.dont_write_bytecode = True  # not beside the project's files
    tasks, answers = os.fdopen(os.dup(0), "rb"), os.dup(1)
    speak_through(os.dup(2))
    be_first_to_go()
    start = Start.model_validate_json(tasks.readline())
    if start.shared_fd is not None:
        os.set_inheritable(start.shared_fd, False)
    trying = _Trying(start, answers)
    if not trying.load():
        return
    for line in tasks:
        trying.run(Frame.of(line))
        if trying.has_grown():
            break
    trying.stop()


class _Trying:
    """The project, and who is told of its frames."""

    def __init__(self, start: Start, answers_fd: int) -> None:
        self._start = start
        self._fd = answers_fd
        self._frames = 0
        self._loaded: LoadedProject

    def load(self) -> bool:
        """Load the project, and say so or why not."""
        # OpenBLAS must be told to have no threads before numpy is imported, which what follows does
        from workers.worker.preload import calm_down  # noqa: PLC0415

        calm_down()
        from workers.containment.limits import Growth, data_bytes, limit_memory  # noqa: PLC0415
        from workers.containment.surroundings import Surroundings  # noqa: PLC0415
        from workers.flow.project import load_project  # noqa: PLC0415
        from workers.trying.loaded import LoadedProject  # noqa: PLC0415
        from workers.trying.seen import seen_by  # noqa: PLC0415
        from workers.versions.guard import protect  # noqa: PLC0415

        start, settings = self._start, self._start.settings
        try:
            project = replace(load_project(start.project, taught=not start.seen_by), version=start.version)
            project = seen_by(project, start.seen_by) if start.seen_by else project
            protect(project.folder, project.data, *([start.written] if start.written else ()))
            self._loaded = LoadedProject.load(project, settings, shared_fd=start.shared_fd)
            self._loaded.inputs = start.inputs.encode()
            loaded_bytes = data_bytes()  # as at the fork of a worker
            self._growth = Growth(settings, loaded_bytes)
            limit_memory(settings.worker_memory_mib, loaded_bytes)
        except FramemillError as error:
            self._say(Said(What.REFUSED, _bytes(error.message)))
            return False
        except BaseException as error:  # noqa: BLE001 - code of the project may raise anything
            self._say(Said(What.REFUSED, _bytes(f"{type(error).__name__}: {error}")))
            return False
        self._surroundings = Surroundings()
        self._say(Said(What.LOADED))
        return True

    def run(self, frame: Frame) -> None:
        """Inspect a frame, or take what a module sees of it, and say what became of it."""
        from workers.trying.try_frame import see_frame, try_frame  # noqa: PLC0415 - see above

        start, max_frame_mib = self._start, self._start.settings.max_frame_mib
        if start.seen_by:
            self._say(see_frame(self._loaded, frame, max_frame_mib))
        else:
            self._say(try_frame(self._loaded, frame, max_frame_mib, start.max_preview_px))
        self._surroundings.restore()
        self._frames += 1

    def stop(self) -> None:
        """Have modules do what they have left for their end; `atexit` and the rest follow as this program ends."""
        self._loaded.stop()

    def has_grown(self) -> bool:
        """Whether a worker would be replaced by now; it is said, then."""
        why = self._growth.why(self._frames)
        if why:
            self._say(Said(What.LEAVING, _bytes(why)))
        return bool(why)

    def _say(self, said: Said) -> None:
        left = memoryview(said.pack())
        while left:
            left = left[os.write(self._fd, left) :]


def _bytes(message: str) -> bytes:
    return message.encode("utf-8", "backslashreplace")


if __name__ == "__main__":
    main()
