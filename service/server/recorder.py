"""The recorder's process, started by the supervisor as `python -I -m service.server.recorder FD`.

Its plan is in the file of that number. It ends with the supervisor, or when it is asked to, behind the last frame.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from functools import partial

from service.history.before_answer.hearing import Hearing
from service.history.marks import mark_of
from service.history.places.place import place_in
from service.history.plan import NAME, RecorderPlan
from service.history.writing.before_answer import RecordingBeforeAnswer
from service.history.writing.recording import Recording
from service.history.writing.store import Store
from service.results.follow import CannotFollow, Follower, Start
from workers.server_log import log_to
from workers.standard_streams import begin_streams, never_wait
from workers.this_process import die_with_parent, keep_private

_PLAN_BYTES = 1 << 16
_FAILED = 1


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
    except CannotFollow as error:
        print(f"framemill ERROR: the history is not recorded: {error}", file=sys.stderr)
        return _FAILED
    with follower:

        def end(*_: object) -> None:
            must_end.set()
            follower.rouse()

        signal.signal(signal.SIGTERM, end)
        recording = _recording(plan, follower, must_end.is_set)
        return 0 if recording.run() else _FAILED


def _recording(plan: RecorderPlan, follower: Follower, must_end: Callable[[], bool]) -> Recording:
    place = place_in(plan.state_dir, plan.history_url)
    mark = mark_of(plan.supervisor_pid) or ""
    durable = bool(plan.asking_fds)
    kind: Callable[..., Recording] = Recording
    if plan.asking_fds:
        kind = partial(RecordingBeforeAnswer, Hearing([socket.socket(fileno=fd) for fd in plan.asking_fds]))

    def open_store() -> Store:
        return Store.begin(place, mark, plan.started_ns, plan.server, durable=durable, done=lambda: follower.done_with)

    return kind(
        follower,
        open_store,
        plan.told_fd,
        must_end=must_end,
        most_days=plan.most_days,
        most_records=plan.most_records,
    )


if __name__ == "__main__":
    sys.exit(main())
