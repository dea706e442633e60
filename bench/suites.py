"""The suites: which servers are measured with what. Each yields its rows as they come.

Servers that are compared run at the same time and are loaded in turn, so that a drift of the machine meets all of them;
each round of each pair has a number of its own, and ratios are made within a number.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench import nano_detector
from bench.frames import SCENARIOS, shots
from bench.inline_front import inline_server
from bench.measurement import OURS, RECEIVER, SMALLEST, Measurement
from bench.one_run import Setup, run_against, run_plain_loop
from bench.peer import PeerUnavailable, running_peer, runs_models
from bench.server import bare_receiver, measured_server, smallest_server
from bench.targets import FEW, MANY

if TYPE_CHECKING:
    from bench.server import Measured

TRIVIAL = Path(__file__).parent / "project"
_PEER_SCENARIOS = ("raw BGR", "BayerRG8", "JPEG")
_DRAWING_PEERS = ("Falcon on gunicorn", "FastAPI on uvicorn")  # one job's cv2.imencode is enough to wait for twice
_LIMIT_SCENARIOS = ("raw BGR", "BayerRG8", "JPEG", "PNG", "annotated")
_MODEL_SCENARIOS = ("raw BGR", "JPEG")
CAMERAS = (1, 2, 4, 8, 16, 32, 64)
SIZES_PX = ((640, 480), (1920, 1024), (2448, 2048), (4096, 3000), (5472, 3648))
WORKERS = (1, 2, 4)
_LARGEST_MIB = "64"
_SMALL_PX = (320, 240)


def compare(folder: Path, peers: Sequence[str], rounds: int, seconds: float) -> Iterator[Measurement]:
    """All scenarios at four connections: against the two halves of the limit, then against each peer."""
    numbers = itertools.count()
    with measured_server(TRIVIAL, "--workers", "2") as ours, smallest_server(2) as least, ExitStack() as until_done:
        receiver = until_done.enter_context(bare_receiver(folder))
        for _ in range(rounds):
            number = next(numbers)
            for scenario in SCENARIOS:
                setup = Setup("compare", scenario, number, seconds=seconds)
                servers = {OURS: ours} | ({RECEIVER: receiver} if receiver else {})
                if scenario in _PEER_SCENARIOS:
                    servers[SMALLEST] = least
                yield from _in_turn(servers, setup)
                if scenario in _LIMIT_SCENARIOS:
                    yield run_plain_loop(setup)
    for peer in peers:
        with ExitStack() as until_done:
            try:
                theirs = until_done.enter_context(running_peer(peer, 2, 1920, 1024))
            except PeerUnavailable as error:
                print(f"left out: {peer}: {error}", flush=True)
                continue
            ours = until_done.enter_context(measured_server(TRIVIAL, "--workers", "2"))
            for _ in range(rounds):
                number = next(numbers)
                for scenario in (*_PEER_SCENARIOS, *(("annotated",) if peer in _DRAWING_PEERS else ())):
                    yield from _in_turn({OURS: ours, peer: theirs}, Setup("compare", scenario, number, seconds=seconds))


def cameras(folder: Path, peers: Sequence[str], rounds: int, seconds: float) -> Iterator[Measurement]:
    """Rate and latency against the number of cameras; the bare receiver shows what the machine and the cameras add."""
    with ExitStack() as until_done:
        servers = {OURS: until_done.enter_context(measured_server(TRIVIAL, "--workers", "2"))}
        receiver = until_done.enter_context(bare_receiver(folder))
        if receiver:
            servers[RECEIVER] = receiver
        for peer in peers:
            try:
                servers[peer] = until_done.enter_context(running_peer(peer, 2, 1920, 1024))
            except PeerUnavailable as error:
                print(f"left out: {peer}: {error}", flush=True)
        for number, scenario, count in itertools.product(range(rounds), ("raw BGR", "BayerRG8"), CAMERAS):
            yield from _in_turn(servers, Setup("cameras", scenario, number, cameras=count, seconds=seconds))
        for number in range(rounds):
            setup = Setup("cameras", "shared memory", number, cameras=1, seconds=seconds)
            yield from _in_turn({OURS: servers[OURS]}, setup)


def small(rounds: int, seconds: float) -> Iterator[Measurement]:
    """Small frames of few and of many cameras: hardly a byte is copied, so it shows what threads cost each other."""
    width_px, height_px = _SMALL_PX
    with measured_server(TRIVIAL, "--workers", "2") as ours:
        for number, count in itertools.product(range(rounds), (FEW, 16, MANY)):
            setup = Setup("small", "raw BGR", number, count, 2, width_px, height_px, seconds)
            yield from _in_turn({OURS: ours}, setup)


def sizes(folder: Path, rounds: int, seconds: float) -> Iterator[Measurement]:
    """From 0.3 to 20 megapixels."""
    environment = {"FRAMEMILL_MAX_FRAME_MIB": _LARGEST_MIB, "FRAMEMILL_MAX_REPLY_MIB": _LARGEST_MIB}
    with (
        measured_server(TRIVIAL, "--workers", "2", env=environment) as ours,
        bare_receiver(folder) as receiver,
    ):
        servers = {OURS: ours} | ({RECEIVER: receiver} if receiver else {})
        for number, scenario, (width_px, height_px) in itertools.product(
            range(rounds), ("raw BGR", "BayerRG8"), SIZES_PX
        ):
            setup = Setup("size", scenario, number, width_px=width_px, height_px=height_px, seconds=seconds)
            yield from _in_turn(servers, setup)


def workers(rounds: int, seconds: float, most: int) -> Iterator[Measurement]:
    """With more and fewer workers."""
    for number, count in itertools.product(range(rounds), sorted({*WORKERS, most})):
        with measured_server(TRIVIAL, "--workers", str(count)) as ours:
            for scenario in ("raw BGR", "BayerRG8", "JPEG"):
                setup = Setup("workers", scenario, number, workers=count, cameras=2 * count + 2, seconds=seconds)
                yield from _in_turn({OURS: ours}, setup)


def pool(rounds: int, seconds: float) -> Iterator[Measurement]:
    """What handing a frame to a worker process costs: the same front without the pool, small frames, one camera."""
    width_px, height_px = _SMALL_PX
    with measured_server(TRIVIAL, "--workers", "2") as ours, inline_server(TRIVIAL) as inline:
        for number in range(rounds):
            setup = Setup("pool", "raw BGR", number, 1, 2, width_px, height_px, seconds)
            yield from _in_turn({OURS: ours, "inline": inline}, setup)


def models(folder: Path, peers: Sequence[str], rounds: int, seconds: float) -> Iterator[Measurement]:
    """A detector of about 10 MB: beside the same in a plain loop, and beside servers of models."""
    project = folder / "models"
    shutil.copytree(TRIVIAL, project)
    model = nano_detector.write(project / "nano.onnx")
    with (project / "framemill.toml").open("a") as told:
        told.write('\n[[flow]]\nmodule = "detector"\nfile = "nano.onnx"\n')
    numbers = itertools.count()
    with measured_server(project, "--workers", "2") as ours:
        for number, scenario in itertools.product(itertools.islice(numbers, rounds), _MODEL_SCENARIOS):
            setup = Setup("models", scenario, number, seconds=seconds)
            if number % 2:
                yield run_plain_loop(setup, model)
            yield from _in_turn({OURS: ours}, setup)
            if not number % 2:
                yield run_plain_loop(setup, model)
        for peer in filter(runs_models, peers):
            with ExitStack() as until_done:
                try:
                    theirs = until_done.enter_context(running_peer(peer, 2, 1920, 1024, {"BENCH_MODEL": str(model)}))
                except PeerUnavailable as error:
                    print(f"left out: {peer}: {error}", flush=True)
                    continue
                for number, scenario in itertools.product(itertools.islice(numbers, rounds), _MODEL_SCENARIOS):
                    servers = {OURS: ours, peer: theirs}
                    yield from _in_turn(servers, Setup("models", scenario, number, seconds=seconds))


def _in_turn(servers: dict[str, Measured], setup: Setup) -> Iterator[Measurement]:
    """Load one server after another; who begins changes from round to round."""
    with shots(SCENARIOS[setup.scenario], setup.width_px, setup.height_px, setup.cameras) as made:
        names = list(servers)
        for name in names if setup.round % 2 == 0 else reversed(names):
            # a receiver or a peer knows no shared memory
            if setup.scenario != "shared memory" or name == OURS:
                yield run_against(name, servers[name], setup, made)
