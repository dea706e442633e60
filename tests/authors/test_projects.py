"""Projects as customers build them: each is served as it stands, and its answers are right."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import paho.mqtt.client as mqtt
import pytest
import zxingcpp
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.pictures import decoded, png
from tests.support.running import Server, serving

pytestmark = pytest.mark.long

PROJECTS = Path(__file__).with_name("projects")


def copied(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(PROJECTS / name, folder / name))


def asked(server: Server, image: NDArray[np.uint8], data: str = "") -> dict[str, Any]:
    with server.client() as client:
        answer = client.post("/analyze_image", params={"data": data}, content=png(image))
    assert answer.status_code == 200, answer.text
    context: dict[str, Any] = answer.json()
    return context


def flat(level: int, height: int = 30, width: int = 40) -> NDArray[np.uint8]:
    return np.full((height, width, 3), level, np.uint8)


def test_counting(tmp_path: Path) -> None:
    cover = flat(60, 200, 300)
    for x, y in [(40, 40), (260, 40), (40, 160)]:
        cv2.circle(cover, (x, y), 12, (220, 220, 220), -1)
    with serving(copied("counting", tmp_path)) as server:
        missing = asked(server, cover)
        assert missing["result"] is False
        assert missing["missing"] == ["lower right"]
        cv2.circle(cover, (260, 160), 12, (220, 220, 220), -1)
        assert asked(server, cover)["result"] is True


def test_a_gap_in_millimetres(tmp_path: Path) -> None:
    def part(left_px: float, right_px: float) -> NDArray[np.uint8]:
        """Bright but for what lies between two edges, each pixel as far as it is covered."""
        columns = np.arange(160)
        inside = np.clip(np.minimum(columns + 1, right_px) - np.maximum(columns, left_px), 0, 1)
        return np.tile(np.rint(220 - 180 * inside).astype(np.uint8), (40, 1))

    with serving(copied("gap", tmp_path)) as server:
        good = asked(server, part(50.25, 100.75))
        assert good["gapMm"] == pytest.approx(1.01, abs=0.01)
        assert good["result"] is True
        assert asked(server, part(50, 120))["result"] is False
        none = asked(server, part(0, 0))
        assert none["result"] is False
        assert "no gap" in none["errors"][0]["message"]


def test_codes(tmp_path: Path) -> None:
    code = zxingcpp.create_barcode("PART 4711", zxingcpp.BarcodeFormat.QRCode)
    part = flat(255, 300, 400)
    drawn = np.array(zxingcpp.write_barcode_to_image(code, scale=4))
    part[50 : 50 + drawn.shape[0], 100 : 100 + drawn.shape[1]] = drawn[:, :, None]
    with serving(copied("codes", tmp_path)) as server:
        right = asked(server, part, "PART 4711")
        assert right["result"] is True
        (box,) = right["detectedRectangles"]
        assert box["classNames"][0]["label"] == "PART 4711"
        assert 100 <= box["x"] < box["x"] + box["width"] <= 100 + drawn.shape[1]
        assert asked(server, part, "PART 4712")["result"] is False
        assert asked(server, flat(255), "PART 4711")["codes"] == []


def write_model(file: Path) -> None:
    """A network of one layer: its second score is higher where the 64 numbers are above one half on average."""
    weights = np.stack([np.full(64, -0.5), np.full(64, 0.5)], axis=1).astype(np.float32)
    bias = np.array([16, -16], np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["image", "weights", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["scores"]),
        ],
        "light",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 64])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 2])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())


def test_a_model_in_onnx(tmp_path: Path) -> None:
    project = copied("onnx_model", tmp_path)
    write_model(project / "code" / "model.onnx")
    with serving(project) as server:
        light, dark = asked(server, flat(200)), asked(server, flat(20))
        assert light["result"] is True
        assert light["score"] > 0.9
        assert dark["result"] is False
        assert sum(dark["scores"]) == pytest.approx(1)
        assert not [line for line in server.log if "cannot be forked" in line]


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed: pip install torch")
def test_a_model_in_torch(tmp_path: Path) -> None:
    with serving(copied("torch_model", tmp_path)) as server:
        assert asked(server, flat(200))["result"] is True
        assert asked(server, flat(20))["result"] is False


def test_state_between_frames(tmp_path: Path) -> None:
    with serving(copied("trend", tmp_path), "--workers", "1") as server:
        assert [asked(server, flat(level))["result"] for level in (200, 198, 202, 150)] == [True, True, True, False]
        assert asked(server, flat(200))["usual"] == pytest.approx((200 + 198 + 202 + 150) / 4)


def test_state_that_all_workers_share_and_that_outlives_them(tmp_path: Path) -> None:
    project = copied("lots", tmp_path)
    (project / "code" / "who.py").write_text("import os\ndef main(context): context['pid'] = os.getpid()")
    with (project / "framemill.toml").open("a") as file:
        file.write('[[flow]]\nmodule = "code"\nfile = "code/who.py"\n')
    with serving(project) as server:
        seen = [asked(server, flat(20), "lot 7") for _ in range(2)]
        assert [context["badParts"] for context in seen] == [1, 2]
        assert not asked(server, flat(200), "lot 7")["stopLot"]
        for pid in {context["pid"] for context in seen}:
            os.kill(pid, signal.SIGKILL)
        assert asked(server, flat(20), "lot 7")["stopLot"] is True
        assert asked(server, flat(20), "lot 8")["badParts"] == 1


def test_several_files_and_a_list_that_another_system_updates(tmp_path: Path) -> None:
    project = copied("recipes", tmp_path)
    folder = project / "data"
    folder.mkdir()

    def update(text: str) -> None:
        new = folder / "limits.new"
        new.write_text("part,least,most\n" + text)
        new.replace(folder / "limits.csv")

    update("A,100,140\n")
    with serving(project) as server:
        assert asked(server, flat(120), "A")["result"] is True
        unknown = asked(server, flat(120), "B")
        assert unknown["result"] is False
        assert "'B' has no row" in unknown["errors"][0]["message"]
        update("A,10,20\nB,100,140\n")
        # every worker has the new list with its next frame
        for _ in range(6):
            assert asked(server, flat(120), "A")["result"] is False
            assert asked(server, flat(120), "B")["result"] is True


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """A real broker on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "broker.yaml").write_text(
        f"listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{port}\n"
        "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n"
    )
    command = [str(Path(sys.executable).with_name("amqtt")), "-c", str(folder / "broker.yaml")]
    with (folder / "broker.log").open("w") as log, subprocess.Popen(command, stderr=log, stdout=log) as process:
        try:
            yield port
        finally:
            process.terminate()


def test_csv_sqlite_and_mqtt_from_code(tmp_path: Path) -> None:
    project = copied("records", tmp_path)
    heard: list[dict[str, Any]] = []
    all_heard = threading.Event()
    subscribed = threading.Event()
    parts = [f"part {number}" for number in range(20)]

    def on_message(_client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        heard.append(json.loads(message.payload))
        if len(heard) == len(parts):
            all_heard.set()

    with broker(tmp_path) as port:
        listener = mqtt.Client(CallbackAPIVersion.VERSION2)
        listener.on_message = on_message
        listener.on_connect = lambda client, *_: client.subscribe("line/3/parts", qos=1)
        listener.on_subscribe = lambda *_: subscribed.set()
        listener.reconnect_delay_set(1, 1)
        listener.connect_async("127.0.0.1", port)
        listener.loop_start()
        assert subscribed.wait(30), (tmp_path / "broker.log").read_text()
        with serving(project, env={"BROKER_PORT": str(port)}) as server:
            for part in parts:
                assert asked(server, flat(50), part)["result"] is True
            assert all_heard.wait(30)
        listener.loop_stop()
    rows = [line.split(",")[0] for file in (project / "data").glob("*.csv") for line in file.read_text().splitlines()]
    assert sorted(rows) == sorted(parts)
    with sqlite3.connect(project / "data" / "parts.db") as base:
        assert sorted(row[0] for row in base.execute("select part from parts")) == sorted(parts)
    assert sorted(each["part"] for each in heard) == sorted(parts)


def test_crop_and_heat(tmp_path: Path) -> None:
    part = flat(200, 80, 160)
    part[10:15, 5:10] = 0  # dark, and not on the label
    with serving(copied("crop", tmp_path)) as server:
        assert asked(server, part)["result"] is True
        part[30:36, 70:80] = 0
        bad = asked(server, part)
        assert bad["result"] is False
        assert [bad["detectedRectangles"][0][key] for key in ("x", "y", "width", "height")] == [70, 30, 10, 6]
        assert bad["imageShape"] == {"height": 80, "width": 160}
        with server.client() as client:
            picture = client.get("/last_image", params={"response_type": "heatmap"})
    heat = decoded(picture.content)
    assert heat.shape[:2] == (80, 160)
    hot, cold = heat[33, 75].astype(int), heat[12, 7].astype(int)
    assert np.abs(hot - heat[60, 10]).max() > 60
    assert np.abs(cold - heat[60, 10]).max() < 10


def test_branches(tmp_path: Path) -> None:
    part = flat(200)
    with serving(copied("branches", tmp_path)) as server:
        good = asked(server, part)
        assert good["result"] is True
        assert good["found"] == 2
        part[:, :20] = 10
        assert asked(server, part)["result"] is False


def test_slow_code_with_threads_and_asyncio(tmp_path: Path) -> None:
    with serving(copied("slow", tmp_path)) as server:
        for _ in range(3):
            context = asked(server, flat(1))
            assert context["squares"] == [1, 4, 9]
            assert context["tens"] == [10, 20, 30]


def test_the_vendors_signatures(tmp_path: Path) -> None:
    with serving(copied("signatures", tmp_path)) as server:
        assert asked(server, flat(1))["operatorInput"] == {"alone": 30, "item": "second", "limit": 7}
