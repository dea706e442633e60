"""A large model is in memory once for all workers; one that dies is replaced in milliseconds with it loaded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bench import tiny_models
from tests.support.children import processes_pool
from tests.support.faults import post, until, whole
from tests.support.running import CHECKOUT, Server, serving, write_project
from tests.support.versions import replaced_in_ms, template_of, workers_of
from workers.settings import PoolSettings

PID = '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n'
MODEL = '[[flow]]\nmodule = "classifier"\nfile = "models/large.onnx"\n\n' + PID
OCR = '[[flow]]\nmodule = "ocr"\n\n[[flow.texts]]\nname = "print"\nlines = 1\n\n' + PID
CODE = 'import os\n\n\ndef main(context):\n    context["pid"] = os.getpid()\n'
WRITE = "import sys, pathlib; from bench import tiny_models; tiny_models.large(pathlib.Path(sys.argv[1]))"

pytestmark = pytest.mark.long


def project(folder: Path, flow: str) -> Path:
    if flow == MODEL:  # in a process of its own, whose memory is not measured
        command = [sys.executable, "-c", WRITE, str(folder / "models" / "large.onnx")]
        subprocess.run(command, cwd=CHECKOUT, check=True)
        assert (folder / "models" / "large.data").stat().st_size > 86_000_000
    return write_project(folder, flow, c=CODE)


def private_mib(pid: int, *keys: str) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(keys)) / 1024


def workers_private_mib(server: Server) -> list[float]:
    """What each worker has for itself once all of them have inspected frames."""
    seen: set[int] = set()

    def all_have_worked() -> bool:
        with ThreadPoolExecutor(8) as cameras:  # at the same time: one worker would do for all that come in turn
            seen.update(answer.json()["pid"] for answer in cameras.map(lambda _: post(server, ""), range(16)))
        return len(seen) == 2

    until(lambda: whole(server))
    until(all_have_worked)
    for _ in range(20):
        assert post(server, "").json()["errors"] == []
    assert set(workers_of(server)) >= seen
    return [private_mib(pid, "Private_") for pid in seen]


# a line needs memory of its own while it is read: each of its steps may be one of 18,710 characters
@pytest.mark.parametrize(("flow", "most_mib"), [(MODEL, 10), (OCR, 20)], ids=["86 MB", "ocr"])
def test_workers_share_a_large_model(tmp_path: Path, flow: str, most_mib: float) -> None:
    with serving(project(tmp_path / "without", PID)) as server:
        without = max(workers_private_mib(server))
    with serving(project(tmp_path / "with", flow)) as server:
        pids, template = workers_of(server), template_of(server)
        own = max(workers_private_mib(server))
        all_mib = sum(private_mib(pid, "Pss:") for pid in (*pids, template))
        assert not [said for said in server.log if "by itself" in said]
    print(f"private: {own:.1f} MiB a worker, {without:.1f} without the model; template and workers: {all_mib:.0f} MiB")
    assert own - without <= most_mib
    assert all_mib < 86.5 / 1.05 + 250  # one model, and what they have without


@pytest.mark.parametrize("flow", [MODEL, OCR], ids=["86 MB", "ocr"])
def test_a_worker_with_a_large_model_is_replaced_in_milliseconds(tmp_path: Path, flow: str) -> None:
    settings = PoolSettings(workers=1, fronts=1, slots=2, max_frame_mib=1, max_reply_mib=1)
    with processes_pool(project(tmp_path / "p", flow), settings) as pool:
        took_ms = sorted(replaced_in_ms(pool) for _ in range(30))
    print(f"replaced in {took_ms[15]:.1f} ms (median), {took_ms[29]:.1f} ms (longest of 30)")
    assert took_ms[15] < 250  # loading takes longer; how long a replacement takes is for a quiet machine


@pytest.mark.parametrize("said_by", ["module", "setting"])
def test_what_is_computed_elsewhere_is_loaded_by_each_worker(tmp_path: Path, said_by: str) -> None:
    tiny_models.classifier(tmp_path / "models" / "small.onnx")
    # one that every onnxruntime has, and that leaves all of such a model to the CPU
    flow, provider = MODEL.replace("large.onnx", "small.onnx"), "AzureExecutionProvider"
    if said_by == "module":
        flow = flow.replace("\n\n", f'\nprovider = "{provider}"\n\n', 1)
    options = ("--model-provider", provider) if said_by == "setting" else ()
    with serving(write_project(tmp_path, flow, c=CODE), *options) as server:
        first = post(server, "").json()
        os.kill(first["pid"], signal.SIGKILL)
        until(lambda: whole(server))
        again = post(server, "").json()
        assert (first["errors"], again["errors"]) == ([], [])
        assert first["classes"] == again["classes"]
        why = "each worker loads the project by itself: classifier is computed by AzureExecutionProvider"
        assert len([said for said in server.log if why in said]) == 1
