"""The process of alerts, started by the supervisor as `python -I -m service.alerts.process FD`.

Its plan is in the file of that number. It ends with the supervisor, or when it is asked to.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading

from service.access.heirloom import Heirloom
from service.alerts.holds import Holds
from service.alerts.plan import NAME, AlertsPlan
from service.alerts.watching import Watching
from service.results.follow import CannotFollow, Follower, Start
from workers.server_log import log_to
from workers.standard_streams import begin_streams, never_wait
from workers.this_process import die_with_parent, keep_private

_PLAN_BYTES = 1 << 20
_FAILED = 1


def main() -> int:
    """Watch until the server ends; returns the exit status."""
    begin_streams()
    never_wait()
    log_to()
    must_end = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: must_end.set())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal, whose server asks in its own time
    plan = AlertsPlan.model_validate_json(os.pread(int(sys.argv[1]), _PLAN_BYTES, 0))
    die_with_parent(plan.supervisor_pid)
    keep_private()
    holds = Holds(Heirloom(plan.heirloom_fd), plan.state_dir)
    try:
        follower = Follower(socket.socket(fileno=plan.link_fd), NAME, Start.RESUME)
    except CannotFollow as error:
        print(f"framemill ERROR: nothing is watched: {error}", file=sys.stderr)
        return _FAILED
    with follower:
        Watching(plan, follower, holds).run(must_end.wait)
    return 0


if __name__ == "__main__":
    sys.exit(main())
