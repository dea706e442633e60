"""Models that cannot be used are mistakes with their reasons; what can is loaded once, without a thread of its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

from bench import tiny_models
from tests.modules.squares import found, looked, prepared, squares
from tests.support.projects import write_project
from tests.support.running import CHECKOUT
from workers.errors import ProjectInvalid
from workers.flow.flow import Flow
from workers.flow.project import load_project
from workers.modules.models.local import Sessions
from workers.modules.models.metadata import read_metadata
from workers.settings import PoolSettings
from workers.trying.loaded import LoadedProject

DETECT = tiny_models.ultralytics("detect", 64)


def refused(folder: Path, options: str = "") -> str:
    with pytest.raises(ProjectInvalid) as told:
        prepared(folder, "detector", options)
    return told.value.message


def write(path: Path, signature: str, body: str) -> None:
    onnx.save(parser.parse_model(f'<ir_version: 9, opset_import: ["" : 17]> g {signature} {{ {body} }}'), path)


def test_a_file_that_is_no_model_is_a_mistake(tmp_path: Path) -> None:
    file = tiny_models.detector(tmp_path / "model.onnx")
    whole = file.read_bytes()
    for content in (b"", b"no model", whole[:200], whole[:-500]):
        file.write_bytes(content)
        assert refused(tmp_path).startswith("flow[0]: file: model.onnx cannot be loaded by onnxruntime 1.")


def test_a_file_that_is_not_there_is_told_with_its_key(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "models" / "squares.onnx")
    told = refused(tmp_path, 'file = "models/square.onnx"')
    assert "flow[0].file: models/square.onnx does not exist in the project; did you mean models/squares.onnx?" in told


def test_weights_that_are_missing_are_a_mistake(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx")
    onnx.save(
        onnx.load(tmp_path / "model.onnx"),
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=200,
    )
    assert found(looked(prepared(tmp_path, "detector"), squares(("red", 20, 10)))) == [("0", 20, 10, 8, 8)]
    (tmp_path / "weights.bin").unlink()
    told = refused(tmp_path)
    assert "file: model.onnx cannot be loaded" in told
    assert "weights.bin" in told
    assert str(tmp_path) not in told


@pytest.mark.parametrize(
    ("signature", "body", "message"),
    [
        (
            "(float[1, 64] x) => (float[1, 64] y)",
            "y = Relu (x)",
            "takes x (float32 1x64), expected one picture as",
        ),
        ("(float[4, 3, 8, 8] x) => (float[4, 3, 8, 8] y)", "y = Relu (x)", "takes x (float32 4x3x8x8), expected one"),
        ("(float[1, 5, 8, 8] x) => (float[1, 5, 8, 8] y)", "y = Relu (x)", "takes x (float32 1x5x8x8), expected one"),
        ("(int64[1, 3, 8, 8] x) => (int64[1, 3, 8, 8] y)", "y = Abs (x)", "takes x (int64 1x3x8x8), expected one"),
        (
            "(float[1, 3, 8, 8] x, float[1, 2] orig_shape) => (float[1, 3, 8, 8] y)",
            "y = Relu (x)",
            "has 2 inputs, expected one, a picture: it takes x (float32 1x3x8x8), orig_shape (float32 1x2) and gives",
        ),
        (
            "(float[1, 3, H, W] x) => (float[1, 3, 99] y)",
            "y = Reshape <allowzero = 0> (x, s)",
            "fails on a picture of 64 x 64 px",
        ),
    ],
)
def test_inputs_that_are_no_picture_are_mistakes_that_say_what_there_is(
    tmp_path: Path, signature: str, body: str, message: str
) -> None:
    write(tmp_path / "model.onnx", signature, body)
    if "Reshape" in body:
        model = onnx.load(tmp_path / "model.onnx")
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 3, 99]), "s"))
        onnx.save(model, tmp_path / "model.onnx")
    told = refused(tmp_path, "size_px = [64, 64]" if "fails" in message else "")
    assert message in told


def test_sizes_and_channels_that_do_not_fit_are_mistakes(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx")
    told = refused(tmp_path, "size_px = [320, 64]")
    assert "size_px: is [320, 64], but file: model.onnx takes images (float32 1x3x64x64)" in told
    write(tmp_path / "grey.onnx", "(float[1, 1, 8, 8] x) => (float[1, 1, 8, 8] y)", "y = Relu (x)")
    told = refused(tmp_path, 'file = "grey.onnx"\nmean = [0.1, 0.2, 0.3]')
    assert "mean: has 3 numbers, but file: grey.onnx has 1 channels" in told


@pytest.mark.parametrize("order", ["1x8x8x3", "1x1x8x8", "3x8x8", "uint8", "float16"])
def test_pictures_are_shown_as_the_model_takes_them(tmp_path: Path, order: str) -> None:
    """Each model gives for a class the mean of a channel, by its own order of axes."""
    kind, shape = "float", "1, 3, 8, 8"
    body = "m = ReduceMean <axes = [2, 3], keepdims = 0> (x)\ny = Identity (m)"
    if order == "1x8x8x3":
        shape, body = "1, 8, 8, 3", "y = ReduceMean <axes = [1, 2], keepdims = 0> (x)"
    elif order == "1x1x8x8":
        shape, body = "1, 1, 8, 8", "m = ReduceMean <axes = [2, 3], keepdims = 0> (x)\ny = Concat <axis = 1> (m, m, m)"
    elif order == "3x8x8":
        shape, body = "3, 8, 8", "m = ReduceMean <axes = [1, 2], keepdims = 0> (x)\ny = Unsqueeze (m, zero)"
    elif order in {"uint8", "float16"}:
        kind = order
        body = "f = Cast <to = 1> (x)\ny = ReduceMean <axes = [2, 3], keepdims = 0> (f)"
    write(tmp_path / "model.onnx", f"({kind}[{shape}] x) => (float[1, 3] y)", body)
    model = onnx.load(tmp_path / "model.onnx")
    if "zero" in body:
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0]), "zero"))
        onnx.save(model, tmp_path / "model.onnx")
    options = 'labels = ["r", "g", "b"]\nscores = "independent"\n'
    image = np.full((16, 16, 3), (51, 102, 153), np.uint8)
    top = looked(prepared(tmp_path, "classifier", options), image)["classes"]["classifier"]["top"]
    seen = {each["label"]: each["confidence"] for each in top}
    levels = {"r": 153, "g": 102, "b": 51}
    if order == "1x1x8x8":
        levels = dict.fromkeys(levels, round(0.299 * 153 + 0.587 * 102 + 0.114 * 51))
    white = 255 if kind == "uint8" else 1
    expected = {name: 1 / (1 + np.exp(-level / 255 * white)) for name, level in levels.items()}
    assert seen == pytest.approx(expected, abs=2e-3)


def test_metadata_that_cannot_be_read_is_left_to_the_options() -> None:
    read = read_metadata(
        {"names": "{0: 'a', 2: 'b'}", "imgsz": "[480, 640]", "task": "detect", "stride": "32", "end2end": "True"}
    )
    assert read == ({0: "a", 2: "b"}, "detect", (640, 480), True, True)
    assert read_metadata({"names": "['a', 'b']", "imgsz": "320"})[:3] == ({0: "a", 1: "b"}, "", (320, 320))
    for broken in ("", "{", "__import__('os')", "(" * 100_000, "None", "{1: 2, 'a': 3}", "[0, 640]", "[640, 'a']"):
        read = read_metadata({"names": broken, "imgsz": broken, "args": broken})
        assert read.size_px is None
        assert set(read.names.values()) <= {"0", "2", "640", "a"}


def test_a_provider_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx")
    told = refused(tmp_path, 'provider = "CPUExecutionProvide"')
    assert "provider (or the setting model_provider): there is no CPUExecutionProvide here; onnxruntime has " in told
    assert "did you mean CPUExecutionProvider?" in told


def test_json_is_for_servers(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx")
    assert "tensors: is json without server" in refused(tmp_path, 'tensors = "json"')


def test_a_setting_says_what_computes_models_whose_modules_do_not(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx")
    flow = '[[flow]]\nmodule = "detector"\nfile = "model.onnx"\n'
    nowhere = PoolSettings(model_provider="NoExecutionProvider")
    with pytest.raises(
        ProjectInvalid, match=r"flow\[0\]: provider .*there is no NoExecutionProvider here; onnxruntime has"
    ):
        LoadedProject.load(load_project(write_project(tmp_path, flow)), nowhere)
    own = load_project(write_project(tmp_path, flow + 'provider = "CPUExecutionProvider"\n'))
    assert own.with_provider("NoExecutionProvider").alone == ""
    LoadedProject.load(own, nowhere)
    remote = '[[flow]]\nmodule = "detector"\nserver = "http://127.0.0.1:1"\nmodel = "m"\n'
    assert load_project(write_project(tmp_path, remote)).with_provider("NoExecutionProvider").alone == ""


def test_what_is_computed_elsewhere_is_loaded_by_each_worker(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx")
    flow = '[[flow]]\nmodule = "detector"\nname = "screws"\nfile = "model.onnx"\n'
    assert load_project(write_project(tmp_path, flow)).alone == ""
    elsewhere = flow + 'provider = "CUDAExecutionProvider"\n'
    assert load_project(write_project(tmp_path, elsewhere)).alone == "screws is computed by CUDAExecutionProvider"
    assert load_project(write_project(tmp_path, elsewhere + "enabled = false\n")).alone == ""
    inner = (
        '[[flow]]\nmodule = "parallel"\nbranches = [[{ module = "detector", file = "model.onnx",'
        ' provider = "CUDAExecutionProvider" }]]\n'
    )
    assert "is computed by" in load_project(write_project(tmp_path, inner)).alone
    left_open = '[[flow]]\nmodule = "parallel"\nbranches = [[{ module = "detector", file = "model.onnx" }]]\n'
    project = load_project(write_project(tmp_path, left_open))
    assert (project.alone, project.with_provider("X").alone) == ("", "detector is computed by X")


def test_without_the_package_a_project_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_models.detector(tmp_path / "model.onnx")
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else there(name))
    told = refused(tmp_path)
    assert told == "flow[0].module: needs onnxruntime, which is not installed: pip install 'framemill[models]'"
    # a model elsewhere needs none
    write_project(tmp_path, '[[flow]]\nmodule = "detector"\nserver = "http://127.0.0.1:1"\nmodel = "m"\n')
    load_project(tmp_path)


def test_modules_that_name_the_same_model_share_it(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=DETECT)
    table = '[[flow]]\nmodule = "detector"\nfile = "model.onnx"\nname = "{}"\n'
    flow = Flow.prepare(load_project(write_project(tmp_path, table.format("a") + table.format("b"))))
    context = looked(flow, squares(("red", 20, 10)))
    assert set(context["detections"]) == {"a", "b"}
    sessions = Sessions(tmp_path)
    assert sessions.of("model.onnx") is sessions.of("model.onnx")


ALONE = """
import os, sys
import workers.worker.preload
from pathlib import Path
from workers.flow.flow import Flow
from workers.flow.project import load_project
import numpy as np, socket, time

def no(*_):
    raise AssertionError("a connection")

socket.socket.connect = no
flow = Flow.prepare(load_project(Path(sys.argv[1])))
image = np.zeros((64, 64, 3), np.uint8)
image[10:18, 20:28] = (0, 0, 255)
counts = [len(os.listdir("/proc/self/task"))]
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        seen = flow.run(image, data="", deadline_ns=time.monotonic_ns() + 10**11).context
        right = len(seen["detectedRectangles"]) == 1 and not seen["errors"]
        os._exit(0 if right and len(os.listdir("/proc/self/task")) == 1 else 1)
    counts.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
sockets = [fd for fd in os.listdir("/proc/self/fd") if "socket" in os.path.realpath(f"/proc/self/fd/{fd}")]
print(counts, sockets)
"""


def test_a_model_that_is_loaded_can_be_forked_and_has_no_thread(tmp_path: Path) -> None:
    tiny_models.detector(tmp_path / "model.onnx", metadata=DETECT)
    write_project(tmp_path, '[[flow]]\nmodule = "detector"\nfile = "model.onnx"\n')
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", ALONE, str(tmp_path)]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[1, 0, 0, 0] []\n", done.stderr
