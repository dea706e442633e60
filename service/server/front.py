"""The fronts: gunicorn, told everything by the supervisor and nothing by files or flags of its own.

Started as `python -I -m service.server.front FD` with its plan in the file of that number. Each gunicorn worker becomes
one front: it takes the slots of its number, and a front that replaces another waits until that one is really gone.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import ssl
import sys
import time
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from service.access.heirloom import Heirloom
from service.access.key_check import Access
from service.analysis.counters import Counters
from service.connections.certificates import Certificates
from service.connections.even_share import EvenShare
from service.history.before_answer.asking import Asking
from service.history.before_answer.publisher import RecordedPublisher
from service.intake.body import FORM_BYTES
from service.logs.request_log import LOG
from service.results.publish import NoPublisher, Publisher, RingPublisher
from service.results.ring import RingWriter
from service.results.seats import Sleepers
from service.results.story import Story
from service.server.app import create_app
from service.server.colleagues import colleagues_of
from service.server.front_plan import FrontPlan
from service.settings import Settings
from service.wire.chunks import BoundedChunks
from service.wire.header_names import spell_headers
from service.wire.holdings import HELD
from service.wire.install import install
from workers.memory.control import Control
from workers.pool.dispatch import QueueDispatch
from workers.pool.pool import MOST_WAITING, Pool
from workers.pool.staying import nobody_follows
from workers.pool.to_supervisor import SupervisorLink
from workers.standard_streams import begin_streams, never_wait
from workers.this_process import die_with_parent, keep_private

if TYPE_CHECKING:
    from service.logs.trace import Trace
    from workers.errors import FramemillError

_PLAN_BYTES = 1 << 20
_CONNECTIONS = 4096
_OWN_DESCRIPTORS = 320  # one a slot, two a follower, the frame memory, sockets to ourselves
_THREADS_BEYOND_SLOTS = MOST_WAITING + 64  # to say no, to answer health and to serve the page while all slots are taken


class Fronts(BaseApplication):  # type: ignore[misc]  # gunicorn publishes no types
    """gunicorn with our settings."""

    def __init__(self, plan: FrontPlan) -> None:
        self._plan = plan
        self._settings = Settings(**{**plan.settings, "stop_key": plan.stop_key})
        self._heirloom = Heirloom(plan.heirloom_fd)
        self._access = Access.of(self._settings, plan.api_key, self._heirloom, plan.state_dir)
        self.certificates = _certificates(self._settings)
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's own settings."""
        settings = self._settings
        chosen = {
            "bind": f"fd://{self._plan.listen_fd}",
            "workers": settings.fronts,
            "worker_class": "service.threads.malformed.DiscreetThreads",
            "threads": settings.slots_per_front + _THREADS_BEYOND_SLOTS + settings.live_streams,
            "worker_connections": _CONNECTIONS,
            "keepalive": settings.keepalive_s,
            "sendfile": False,
            "timeout": 30,
            "graceful_timeout": settings.drain_s,
            "http_parser": "python",
            "limit_request_line": 8190,
            "forwarder_headers": "",  # SCRIPT_NAME would change the path that a proxy has allowed
            "secure_scheme_headers": {},  # nobody asks for the scheme, and two that say different things would be a 400
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
            "worker_tmp_dir": "/dev/shm" if os.access("/dev/shm", os.W_OK) else None,  # noqa: S108 - a heartbeat file on a disk would block
            "errorlog": "-",
            "loglevel": "warning",
            "accesslog": None,  # it would hold the query, and so keys
            "proc_name": "framemill-front",
            "certfile": str(settings.certfile) if settings.certfile else None,
            "keyfile": str(settings.keyfile) if settings.keyfile else None,
            "ca_certs": str(settings.client_ca_file) if settings.client_ca_file else None,
            "cert_reqs": ssl.CERT_REQUIRED if settings.client_ca_file else ssl.CERT_NONE,
            "pre_fork": self._before_fork,
            "post_fork": self._after_fork,
            "post_worker_init": self._say_ready,
            "when_ready": _keep_to_ourselves,
        }
        for name, value in chosen.items():
            self.cfg.set(name, value)
        # gunicorn asks for settings dozens of times per request, through a search each time; found first they are free
        self.cfg.__dict__.update({name: setting.get() for name, setting in self.cfg.settings.items()})

    def run(self) -> None:
        """Be the master until asked to stop."""
        install()
        _SideBySide(self).run()

    @property
    def body_s(self) -> float:
        """The longest time that a body may take."""
        return self._settings.body_ms / 1000

    @property
    def send_s(self) -> float:
        """The longest time that an answer may take to be sent."""
        return self._settings.send_ms / 1000

    @property
    def share(self) -> EvenShare:
        """Which connections are this front's."""
        return self._share

    def count_cut_off(self) -> None:
        """Count a connection that was ended because its client did not take its answer."""
        self._counters.count("connections.cut_off")

    def count_failed(self, error: FramemillError, sender: str, trace: Trace) -> None:
        """Count a request that was refused before it came to a thread; `sender` where its body did not come."""
        self._counters.failed(error)
        if sender:
            self._publisher.failed(Story(sender, time.monotonic_ns(), trace=trace), error)

    def call_time(self) -> None:
        """Do what is due now and then; from the main loop."""
        self._publisher.call_time()

    def end(self) -> None:
        """Do what is due when nobody is here any more."""
        self._publisher.end()

    @property
    def closes_the_door(self) -> bool:
        """Whether the listener ends with this front: not where the next front, or the next server, goes on with it."""
        control = self._pool.control
        return control.stopping and self._plan.listener_is_ours and not control.words[Control.FOLLOWED]

    def _before_fork(self, arbiter: Any, worker: Any) -> None:
        """Give the coming front the number that the fewest hold; while fronts are exchanged two hold the same."""
        held = [other.front for other in arbiter.WORKERS.values()]
        worker.front = min(range(self._settings.fronts), key=held.count)

    def _after_fork(self, _: object, worker: Any) -> None:
        die_with_parent(worker.ppid)
        self._front = worker.front
        self._worker = worker

    def _say_ready(self, _: object) -> None:
        SupervisorLink(self._plan.handover.supervisor_fd).say_ready()

    @cached_property
    def _sleepers(self) -> Sleepers | None:
        results = self._plan.results
        return Sleepers(results.pages, results.wakes, results.read_desk) if results else None

    def load(self) -> Any:
        """Make the application, in the front's own process."""
        handover = self._plan.handover
        dispatch = QueueDispatch(handover.channel)
        sleepers = self._sleepers
        has_done = sleepers.has_done if sleepers else nobody_follows
        pool = Pool(handover.arena, self._front, dispatch, wake=dispatch.wake, has_done=has_done)
        BoundedChunks.most_bytes = pool.request_bytes + FORM_BYTES
        return self.application(pool)

    def application(self, pool: Pool) -> Any:
        """Make the application on top of `pool`."""
        plan = self._plan
        self._pool = pool
        self._share = EvenShare(pool.control, pool.row)
        self._counters = Counters(pool.row, pool.errors)
        self._access.begin()
        if self.certificates is not None:
            self.certificates.begin()
        # a client may always have one body of the largest size here
        HELD.set_budget(max(self._settings.max_held_mib << 20, 2 * BoundedChunks.most_bytes))
        count_lost = partial(self._counters.count, "log.lines_lost")
        LOG.begin(self._settings.log_requests, self._settings.log_format, self._front, count_lost)
        self._publisher = _publisher(plan, self._sleepers, self._front, pool, self._counters)
        known = colleagues_of(
            plan,
            self._front,
            self._settings,
            pool=pool,
            counters=self._counters,
            access=self._access,
            heirloom=self._heirloom,
            publisher=self._publisher,
            is_ending=self._is_ending,
        )
        return spell_headers(create_app(known))

    def _is_ending(self) -> bool:
        return not self._worker.alive or self._pool.control.stopping


class _SideBySide(Arbiter):  # type: ignore[misc]  # gunicorn publishes no types
    """gunicorn's master, which has its first workers start together: what they share is imported by then."""

    def spawn_workers(self) -> None:
        """See gunicorn, which waits for a moment after each; so it is where one replaces another."""
        if self.worker_age:
            super().spawn_workers()
        else:
            for _ in range(self.num_workers):
                self.spawn_worker()


def _publisher(plan: FrontPlan, sleepers: Sleepers | None, front: int, pool: Pool, counters: Counters) -> Publisher:
    """For the ring of this front, whose number it has to itself by now."""
    if plan.results is None or sleepers is None:
        return NoPublisher()
    ring = RingWriter(plan.results.rings[front])
    known = (ring, sleepers, pool.control.words, lambda: counters.count("results.contexts_left_out"))
    if not plan.asking_fds:
        return RingPublisher(*known)
    return RecordedPublisher(*known, Asking(socket.socket(fileno=plan.asking_fds[front])))


def _certificates(settings: Settings) -> Certificates | None:
    if settings.certfile is None:
        return None
    return Certificates(settings.certfile, settings.keyfile, settings.client_ca_file)


def _allow_descriptors(wanted: int) -> None:
    """Raise the soft limit, which is 1,024 in most places, as far as the hard one lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def _keep_to_ourselves(_: object) -> None:
    """Ignore signals that would change how many fronts there are: the frame memory is laid out for their number."""
    for number in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2, signal.SIGWINCH):
        signal.signal(number, signal.SIG_IGN)


def main() -> None:
    """Run the fronts until the supervisor ends them."""
    begin_streams()
    never_wait()
    plan = FrontPlan.model_validate_json(os.pread(int(sys.argv[1]), _PLAN_BYTES, 0))
    _allow_descriptors(_CONNECTIONS + _OWN_DESCRIPTORS)
    die_with_parent(plan.supervisor_pid)
    keep_private()
    Fronts(plan).run()


if __name__ == "__main__":
    main()
