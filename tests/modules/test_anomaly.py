"""What `anomaly` makes of surfaces that it was taught with: where it is bad, what options do, and mistakes at load."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.anomaly_accuracy import Decoded
from bench.tiny_anomaly import features, spotted, surface, teach
from tests.modules.squares import looked
from tests.support.projects import inspect, write_project
from tests.support.running import CHECKOUT
from workers.errors import ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.anomaly.learned_file import read_learned, write_learned
from workers.modules.anomaly.methods import method_of

GREY, COLOUR = "models/grey.npz", "models/colour.npz"


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what was learned of twelve surfaces in grey, and of as many in colour."""
    folder = tmp_path_factory.mktemp("taught")
    teach(folder, GREY, [surface(seed) for seed in range(12)])
    teach(folder, COLOUR, [surface(seed, colour=True) for seed in range(12)])
    return folder


@pytest.fixture
def project(taught: Path, tmp_path: Path) -> Path:
    return shutil.copytree(taught, tmp_path / "project")


def flow(project: Path, options: str = "", file: str = GREY) -> Flow:
    table = f'[[flow]]\nmodule = "anomaly"\nfile = "{file}"\n{options}\n'
    return Flow.prepare(load_project(write_project(project, table)))


def refused(project: Path, options: str = "", file: str = GREY) -> str:
    with pytest.raises(ProjectInvalid) as told:
        flow(project, options, file)
    return told.value.message


def errors(flow: Flow, image: Any) -> list[str]:
    context = inspect(flow, image).context
    assert not context["result"]
    return [each["message"] for each in context["errors"]]


def boxes(context: dict[str, Any]) -> list[tuple[float, float, float, float]]:
    return [tuple(each[key] for key in ("x", "y", "width", "height")) for each in context["detectedRectangles"]]


@pytest.mark.parametrize(("file", "colour"), [(GREY, False), (COLOUR, True), (GREY, True)])
def test_a_spot_is_found_where_it_is_and_good_ones_are_good(project: Path, file: str, colour: bool) -> None:
    module = flow(project, file=file)
    for seed in (50, 51):
        good = looked(module, surface(seed, colour=colour))
        assert good["result"], good["anomalies"]
        assert good["detectedRectangles"] == []
        assert good["score"] < good["threshold"]
    inspected = inspect(module, spotted(52, (60, 110), 14, colour=colour))
    context = inspected.context
    assert not context["result"]
    (box,) = context["detectedRectangles"]
    assert abs(box["x"] + box["width"] / 2 - 60) < 12
    assert abs(box["y"] + box["height"] / 2 - 110) < 12
    assert box["classNames"][0]["label"] == "anomaly"
    assert 0.5 < box["confidence"] <= 1
    assert box["source"]["type"] == "UNSUPERVISED"
    told = context["anomalies"]["anomaly"]
    assert told["count"] == 1
    assert told["score"] == context["score"] >= context["threshold"] == told["threshold"]
    assert inspected.heat is not None
    assert inspected.heat.shape == (160, 200)
    assert inspected.heat[110, 60] > 0.5
    assert inspected.heat[20, 180] < 0.36, "pictures would show it"


def test_a_spot_in_a_turned_crop_lies_in_the_frame(project: Path) -> None:
    steps = '[{ do = "crop", x = 40, y = 30, width = 160, height = 200 }, { do = "rotate", degrees = 90 }]'
    before = f'[[flow]]\nmodule = "preprocess"\nsteps = {steps}\n\n'
    module = Flow.prepare(
        load_project(write_project(project, f'{before}[[flow]]\nmodule = "anomaly"\nfile = "{GREY}"\n'))
    )
    frame = np.full((260, 240), 200, np.uint8)
    for part, is_good in ((surface(50), True), (spotted(52, (60, 110), 14), False)):
        frame[30:230, 40:200] = np.rot90(part)
        context = looked(module, frame)
        assert context["result"] is is_good
    (box,) = context["detectedRectangles"]
    x, y = 40 + 110, 30 + 199 - 60  # where the spot came to lie
    assert abs(box["x"] + box["width"] / 2 - x) < 12
    assert abs(box["y"] + box["height"] / 2 - y) < 12


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ("", False),
        ("threshold = 1000.0", True),
        ("sensitivity = 0.1", True),
        ("area_min_px = 20000", True),
        ("region = { x = 100, y = 0, width = 100, height = 160 }", True),
        ("region = { x = 0, y = 40, width = 120, height = 120 }", False),
        ("region = { polygon = [[100, 0], [200, 0], [200, 160], [100, 160], [100, 100], [90, 50]] }", True),
        ("region = { polygon = [[0, 40], [140, 40], [140, 160], [10, 160]] }", False),
    ],
)
def test_options_say_what_is_bad(project: Path, options: str, result: bool) -> None:
    context = looked(flow(project, options), spotted(52, (40, 110)))
    assert context["result"] is result, context["anomalies"]
    assert bool(context["detectedRectangles"]) is not result
    for x, y, width, height in boxes(context):
        assert x < 40 < x + width
        assert y < 110 < y + height


def test_a_higher_sensitivity_finds_more(project: Path) -> None:
    usual = looked(flow(project), surface(60))
    strict = looked(flow(project, "sensitivity = 10.0"), surface(60))
    assert usual["result"]
    assert not strict["result"]
    assert strict["threshold"] == pytest.approx(usual["threshold"] / 10, abs=1e-3)
    assert strict["score"] == usual["score"]


def test_heat_is_left_out_and_rectangles_are_as_many_as_wanted(project: Path) -> None:
    image = spotted(52, (40, 110))
    image[30:45, 150:165] = 20
    assert inspect(flow(project, "heat = false"), image).heat is None
    assert len(boxes(looked(flow(project), image))) == 2
    assert len(boxes(looked(flow(project, "most = 1"), image))) == 1


def test_more_or_less_light_is_forgiven(project: Path) -> None:
    module = flow(project)
    image = surface(61)
    for factor in (0.6, 1.3):
        lit = np.clip(image * factor, 0, 255).astype(np.uint8)
        assert looked(module, lit)["result"]
        assert not looked(module, np.minimum(lit, spotted(61) * factor).astype(np.uint8))["result"]


def test_pictures_of_another_kind_are_errors_of_the_frame(project: Path) -> None:
    module = flow(project)
    assert "has 820 x 640 px, but it was taught with 200 x 160" in errors(module, surface(1, (640, 820)))[0]
    assert "has 8 x 8 px, but it was taught with 200 x 160" in errors(module, surface(1, (8, 8)))[0]
    assert looked(module, surface(70, (220, 260)))["score"] > 0
    in_colour = flow(project, file=COLOUR)
    assert errors(in_colour, surface(1)) == ["the picture is grey, but it was taught with pictures in colour"]


def test_tiny_pictures_can_be_taught(tmp_path: Path) -> None:
    teach(tmp_path, GREY, [surface(seed, (11, 14)) for seed in range(4)])
    context = looked(flow(tmp_path), surface(9, (11, 14)))
    assert np.isfinite(context["score"])
    flat = looked(flow(tmp_path), np.full((11, 14), 100, np.uint8))
    assert np.isfinite(flat["score"])


def test_what_is_missing_is_a_mistake_that_says_what_to_do(project: Path) -> None:
    told = refused(project, file="models/grye.npz")
    assert "flow[0].file: models/grye.npz does not exist in the project; did you mean models/grey.npz?" in told
    assert "`framemill train PROJECT GOOD_FOLDER` writes it" in told
    assert "neither .npz, as `framemill train` writes it, nor .onnx" in refused(project, file="models/grey.txt")
    (project / "models" / "features.onnx").unlink()
    told = refused(project)
    assert "file: models/grey.npz looks through a backbone that is not there: models/features.onnx" in told


def test_a_file_that_is_none_is_a_mistake(project: Path) -> None:
    file = project / GREY
    whole = file.read_bytes()
    for content in (b"", b"nothing", whole[:500]):
        file.write_bytes(content)
        assert "file: models/grey.npz holds nothing that `framemill train` has written" in refused(project)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"coreset": np.zeros((4, 3), np.float32)}, "its arrays do not fit together"),
        ({"scale": np.zeros(1)}, "its arrays do not fit together"),
        ({"turn": np.zeros((5, 32), np.float32), "centre": np.zeros(5, np.float32)}, "but it was learned with 5"),
    ],
)
def test_arrays_that_do_not_fit_are_a_mistake(project: Path, change: dict[str, Any], message: str) -> None:
    about, arrays = read_learned(project / GREY, GREY)
    write_learned(project / GREY, about, {**arrays, **change})
    assert message in refused(project)
    write_learned(project / GREY, about, {name: value for name, value in arrays.items() if name not in change})
    assert "it lacks what `neighbours` keeps" in refused(project)


def test_another_backbone_is_a_mistake(project: Path) -> None:
    (project / "models" / "features.onnx").write_bytes(b"no model")
    assert "cannot be loaded by onnxruntime" in refused(project)
    features(project / "models" / "features.onnx", metadata={"std": "0"})
    assert "std in its metadata is [0.0, 0.0, 0.0], expected numbers above 0" in refused(project)
    features(project / "models" / "features.onnx", metadata={"mean": "1, 2"})
    assert "mean in its metadata is '1, 2', expected a number, or 3" in refused(project)


@pytest.mark.parametrize(("channels", "side"), [(1, None), (3, 96), (1, 64)])
def test_backbones_of_other_inputs_can_be_used(tmp_path: Path, channels: int, side: int | None) -> None:
    features(tmp_path / "models" / "features.onnx", channels, side, metadata={"author": "somebody"})
    teach(tmp_path, GREY, [surface(seed) for seed in range(10)])
    module = flow(tmp_path)
    assert looked(module, surface(50))["result"]
    context = looked(module, spotted(51, (120, 60), 20))
    assert not context["result"]
    x, y, width, height = boxes(context)[0]
    assert x < 120 < x + width
    assert y < 60 < y + height


def test_the_same_pictures_and_seed_teach_the_same(project: Path) -> None:
    method, backbone = method_of("neighbours"), project / "models" / "features.onnx"
    good = Decoded([surface(seed) for seed in range(6)])
    told: list[tuple[str, float]] = []
    first = method.learn(good, 3, lambda what, share: told.append((what, share)), None, backbone)
    again = method.learn(good, 3, lambda *_: None, None, backbone)
    assert all(np.array_equal(each, again.arrays()[name]) for name, each in first.arrays().items())
    restored = method.restore(first.arrays(), backbone)
    image = spotted(5)
    assert np.array_equal(first.heat(image, lambda: None), restored.heat(image, lambda: None))
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] <= 1


def test_what_is_learned_later_is_added(project: Path) -> None:
    method, backbone = method_of("neighbours"), project / "models" / "features.onnx"
    striped = [np.ascontiguousarray(surface(seed, (200, 160)).T) for seed in range(30, 36)]
    before = method.learn(Decoded([surface(seed) for seed in range(6)]), 0, lambda *_: None, None, backbone)
    after = method.learn(Decoded(striped), 0, lambda *_: None, before, backbone)
    known, more = before.arrays()["coreset"], after.arrays()["coreset"]
    assert len(more) > len(known)
    assert np.array_equal(more[: len(known)], known)
    new = np.ascontiguousarray(surface(40, (200, 160)).T)
    assert after.heat(new, lambda: None).max() < before.heat(new, lambda: None).max() / 2
    assert after.heat(spotted(41), lambda: None).max() > 1.4 * after.heat(surface(41), lambda: None).max()


_FORK = """
import os, sys
from pathlib import Path
from workers.worker.preload import calm_down
from workers.modules.anomaly.learned import Taught
from bench.tiny_anomaly import surface

def private_bytes():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Private_Dirty:"))

calm_down()  # as the process does that workers are forks of
learned, image = Taught(Path(sys.argv[1]), sys.argv[2]), surface(50)
learned.look(image, None, lambda: None)
threads = len(os.listdir("/proc/self/task"))
if os.fork() == 0:
    before = private_bytes()
    for _ in range(3):
        learned.look(image, None, lambda: None)
    print(threads, private_bytes() - before, flush=True)
    os._exit(0)
os.wait()
"""


def test_a_fork_has_little_memory_of_its_own_and_there_are_no_threads(project: Path) -> None:
    command = [sys.executable, "-c", _FORK, str(project), GREY]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60)
    threads, grown_bytes = map(int, done.stdout.split())
    assert threads == 1
    assert grown_bytes < 10 << 20
