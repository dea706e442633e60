"""The recorder's process, started by the supervisor as `python -I -m service.server.recorder FD`.

Its plan is in the file of that number. It ends with the supervisor, or when it is asked to, behind the last frame.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

from service.history.database import sqlite_in
from service.history.marks import mark_of
from service.history.plan import NAME, PICTURES, RecorderPlan
from service.history.writing.recording import Pictures, Recording
from service.history.writing.store import Store
from service.results.follow import CannotFollow, Follower, Start
from workers.server_log import log_to
from workers.standard_streams import begin_streams, never_wait
from workers.this_process import die_with_parent, keep_private

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
    mark = mark_of(plan.supervisor_pid) or ""
    try:
        follower = Follower(socket.socket(fileno=plan.link_fd), NAME, Start.RESUME)
        pictures = _pictures(plan)
    except CannotFollow as error:
        print(f"framemill ERROR: the history is not recorded: {error}", file=sys.stderr)
        return _FAILED
    why_kept = pictures.keeping.why if pictures else None
    with follower:

        def end(*_: object) -> None:
            must_end.set()
            follower.rouse()

        signal.signal(signal.SIGTERM, end)
        recording = Recording(
            follower,
            lambda: Store.begin(sqlite_in(plan.state_dir), mark, plan.started_ns, why_kept),
            plan.told_fd,
            must_end=must_end.is_set,
            most_days=plan.most_days,
            most_records=plan.most_records,
            pictures=pictures,
        )
        return 0 if recording.run() else _FAILED


def _pictures(plan: RecorderPlan) -> Pictures | None:
    """Make what keeps pictures; raises CannotFollow."""
    if plan.pictures is None:
        return None
    # imported here: a recorder without pictures loads no OpenCV
    from service.history.pictures.folder import PictureFolder, pictures_in  # noqa: PLC0415
    from service.history.pictures.keeping import Keeping  # noqa: PLC0415
    from service.history.pictures.tending import Tending  # noqa: PLC0415

    sys.setswitchinterval(_SWITCH_S)
    folder = PictureFolder(pictures_in(plan.state_dir))
    # the frames of one that was killed are still there
    follower = Follower(socket.socket(fileno=plan.pictures.link_fd), PICTURES, Start.RESUME)
    keeping = Keeping(follower, folder, plan.pictures)
    return Pictures(keeping, Tending(keeping, folder, plan.pictures, plan.told_fd))


if __name__ == "__main__":
    sys.exit(main())
