"""A front that inspects frames itself: the same HTTP side, no pool. What it saves is what the pool costs.

python -m bench.inline_front PROJECT        prints its port and serves until SIGTERM
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.server import Measured
from service.access.heirloom import Heirloom
from service.api.switch import ProcessSwitch
from service.beside.part_desk import PartDeskStart
from service.inputs.operator_inputs import MEMORY_KIB, OperatorInputs
from service.server.front import Fronts
from service.server.front_plan import FrontPlan
from service.settings import Settings
from workers.flow.project import load_project
from workers.memory.arena import create_arena
from workers.memory.global_data import create_global_data
from workers.memory.layout import Geometry
from workers.pool.channel import Channel
from workers.pool.handover import Handover
from workers.worker.inline_pool import InlinePool


class InlineFront(Fronts):
    """gunicorn as the server runs it, over a pool without processes."""

    def __init__(self, plan: FrontPlan, project: Path) -> None:
        self._project = project
        super().__init__(plan)

    def load(self) -> Any:
        """Make the application, in the front's own process."""
        return self.application(InlinePool(load_project(self._project), self._settings))


def main(project: Path) -> None:
    """Serve on a free port."""
    settings = Settings(workers=2, fronts=1)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.set_inheritable(True)
    unused, supervisor = socket.socketpair()
    heirloom = Heirloom.create()
    state_dir = Path(tempfile.gettempdir())
    ProcessSwitch(heirloom, state_dir).begin(inherited=False)
    inputs = OperatorInputs(create_global_data(MEMORY_KIB), state_dir)
    inputs.begin((), inherited=False)
    plan = FrontPlan(
        handover=Handover(
            arena=create_arena(Geometry.of(Settings(workers=1, max_frame_mib=1, max_reply_mib=1))),
            channel=Channel.create(1),
            supervisor_fd=supervisor.fileno(),
        ),
        settings=settings.model_dump(mode="json", exclude={"api_key", "stop_key"}),
        listen_fd=listener.fileno(),
        listener_is_ours=True,
        heirloom_fd=heirloom.fd,
        inputs_fd=inputs.fd,
        state_dir=state_dir,
        parts=PartDeskStart(1, None).plan,
        version_places=(),
        project_name="inline",
        api_key=None,
        stop_key=None,
        supervisor_pid=os.getppid(),
    )
    print(listener.getsockname()[1], flush=True)
    InlineFront(plan, project).run()
    unused.close()


@contextmanager
def inline_server(project: Path) -> Iterator[Measured]:
    """Run it in a session of its own."""
    command = [sys.executable, "-m", "bench.inline_front", str(project)]
    begun_s = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    try:
        yield Measured(process, int(process.stdout.readline()), time.monotonic() - begun_s)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
