"""What the application of a front is put together from: from what it inherits, and what it has of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.alerts.board import Board
from service.alerts.holds import Holds
from service.analysis.views import Views
from service.api.status import Status
from service.api.switch import ProcessSwitch
from service.history.stored import Stored
from service.inputs.declared import Declared
from service.inputs.operator_inputs import OperatorInputs
from service.live.feed import Feed
from service.panel.parts.golden import Golden
from service.parts.link import DeskLink
from service.parts.plans import Plans
from service.parts.resource import PartResource
from service.parts.unsent import Unsent
from service.server.app import Colleagues
from workers.memory.control import Control
from workers.pool.to_supervisor import SupervisorLink
from workers.versions.on_disk import Comparison

if TYPE_CHECKING:
    from collections.abc import Callable

    from service.access.heirloom import Heirloom
    from service.access.key_check import Access
    from service.analysis.counters import Counters
    from service.results.publish import Publisher
    from service.server.front_plan import FrontPlan
    from service.settings import Settings
    from workers.pool.pool import Pool


def colleagues_of(
    plan: FrontPlan,
    front: int,
    settings: Settings,
    *,
    pool: Pool,
    counters: Counters,
    access: Access,
    heirloom: Heirloom,
    publisher: Publisher,
    is_ending: Callable[[], bool],
) -> Colleagues:
    """Put them together for the front of this number, in its own process: `plan` names what it inherits."""
    switch = ProcessSwitch(heirloom, plan.state_dir)
    holds = Holds(heirloom, plan.state_dir)
    stored = Stored(plan.history_place)
    desk = DeskLink(plan.parts.links[front], Unsent(plan.parts.unsent_fds[front]))
    plans = Plans(plan.parts.plans_fd)
    rings = plan.results.rings if plan.results else ()
    return Colleagues(
        pool=pool,
        counters=counters,
        settings=settings,
        access=access,
        switch=switch,
        state_dir=plan.state_dir,
        link=SupervisorLink(plan.handover.supervisor_fd),
        status=_status(plan, pool, switch, keeps_pictures=settings.keeps_pictures),
        publisher=publisher,
        feed=Feed(rings, is_ending, pool.control.words[Control.STARTED_NS]),
        stored=stored,
        golden=Golden(plan.version_places),
        views=Views(desk, plans, pool.control.words),
        parts=PartResource(desk, plans, stored, lambda: pool.control.stopping),
        # mapped here: a memory of its kind is not passed on by forks
        inputs=OperatorInputs(plan.inputs_fd, plan.state_dir),
        declared=Declared(pool.control, plan.version_places),
        version_places=plan.version_places,
        board=Board(holds, plan.alerts_fd, sends=settings.alert_webhook is not None),
    )


def _status(plan: FrontPlan, pool: Pool, switch: ProcessSwitch, *, keeps_pictures: bool) -> Status:
    return Status(
        pool,
        switch,
        plan.project_name,
        Comparison(plan.version_places),
        plan.results,
        pages=(plan.parts.counts_fd, plan.recorder_fd),
        keeps_pictures=keeps_pictures,
    )
