"""The recorder's process, started by the supervisor as `python -I -m service.beside.recorder FD`.

Its plan is in the file of that number. It ends with the supervisor, or when it is asked to, behind the last frame.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

from service.history.plan import NAME, PICTURES, RecorderPlan
from service.results.follow import CannotFollow, Follower, Start
from workers.server_log import log_to
from workers.standard_streams import begin_streams, never_wait
from workers.this_process import die_with_parent, keep_private

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.history.pictures.keeping import Form, Keeping
    from service.history.plan import PicturesPlan
    from service.history.recording.recording import Recording
    from service.history.recording.with_pictures import Pictures

_PLAN_BYTES = 1 << 16
_FAILED = 1
_SWITCH_S = 0.001  # who copies a frame out of its slot does not wait for who writes rows


def main() -> int:
    """Record until the server ends; returns the exit status."""
    begin_streams()
    never_wait()
    log_to()
    must_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: must_end.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, whose server asks in its own time
    os.umask(0o077)
    plan = RecorderPlan.model_validate_json(os.pread(int(sys.argv[1]), _PLAN_BYTES, 0))
    die_with_parent(plan.supervisor_pid)
    keep_private()
    try:
        follower = Follower(socket.socket(fileno=plan.link_fd), NAME, Start.RESUME)
        keeping = _keeping(plan)
    except CannotFollow as error:
        print(f"framemill ERROR: the history is not recorded: {error}", file=sys.stderr)
        return _FAILED
    with follower:

        def end(*_: object) -> None:
            must_end.set()
            follower.rouse()

        signal.signal(signal.SIGTERM, end)
        return 0 if _recording(plan, follower, keeping, must_end.is_set).run() else _FAILED


def _keeping(plan: RecorderPlan) -> Keeping | None:
    """Keep pictures from now on, while all that takes longer is loaded; raises CannotFollow."""
    if plan.pictures is None:
        return None
    sys.setswitchinterval(_SWITCH_S)
    follower = Follower(socket.socket(fileno=plan.pictures.link_fd), PICTURES, Start.RESUME)
    plan.pictures.ask(follower)
    # imported here: frames of which pictures are wanted stay already
    from service.history.pictures.folder import PictureFolder, pictures_in  # noqa: PLC0415
    from service.history.pictures.keeping import Keeping  # noqa: PLC0415

    form = partial(_form, plan.pictures)
    keeping = Keeping(follower, PictureFolder(pictures_in(plan.state_dir)), plan.pictures, form)
    keeping.start()
    return keeping


def _form(plan: PicturesPlan) -> Form:
    from workers.pictures.kept import KeptForm  # noqa: PLC0415 - OpenCV, which takes long

    return KeptForm(plan.format, plan.quality).of


def _recording(
    plan: RecorderPlan, follower: Follower, keeping: Keeping | None, must_end: Callable[[], bool]
) -> Recording:
    # imported here: pictures are kept already
    from service.history.marks import mark_of  # noqa: PLC0415
    from service.history.places.place import place_in  # noqa: PLC0415
    from service.history.recording.recording import Recording  # noqa: PLC0415
    from service.history.writing.store import Store  # noqa: PLC0415

    kind: Callable[..., Recording] = Recording
    if plan.asking_fds:
        from service.history.before_answer.hearing import Hearing  # noqa: PLC0415
        from service.history.recording.before_answer import RecordingBeforeAnswer  # noqa: PLC0415

        kind = partial(RecordingBeforeAnswer, Hearing([socket.socket(fileno=fd) for fd in plan.asking_fds]))
    durable = bool(plan.asking_fds)
    mark = mark_of(plan.supervisor_pid) or ""
    place = place_in(plan.state_dir, plan.history_url)
    pictures = _pictures(plan, keeping)

    def open_store() -> Store:
        begun = Store.begin(place, mark, plan.started_ns, plan.server, durable=durable, done=lambda: follower.done_with)
        return pictures.begin_in(begun)

    return kind(
        follower,
        open_store,
        plan.told_fd,
        must_end=must_end,
        most_days=plan.most_days,
        most_records=plan.most_records,
        pictures=pictures,
    )


def _pictures(plan: RecorderPlan, keeping: Keeping | None) -> Pictures:
    from service.history.pictures.folder import PictureFolder, pictures_in  # noqa: PLC0415 - see above
    from service.history.pictures.tending import Tending  # noqa: PLC0415
    from service.history.recording.with_pictures import KeptPictures, NoPictures  # noqa: PLC0415

    folder = PictureFolder(pictures_in(plan.state_dir))
    if plan.pictures is None or keeping is None:
        return NoPictures(folder)
    return KeptPictures(keeping, Tending(keeping, folder, plan.pictures, plan.told_fd))


if __name__ == "__main__":
    sys.exit(main())
