"""The vendor's own SDK, unmodified: version 2.3.3 against a running server and starting one, 1.4.4 with its API key."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PekatVisionSDK import Instance, PekatNotStartedError, PortIsAllocatedError

from tests.support.faults import until
from tests.support.running import CHECKOUT, Server, serving, write_project

ECHO = """
def main(context):
    context["seen"] = {"data": context["data"], "sum": int(context["image"].sum(dtype="uint64"))}
"""
OLD_SDK = CHECKOUT / ".venv" / "sdk-1.4.4"


@pytest.fixture(params=[True, False], ids=["in_body", "in_header"])
def instance(server: Server, request: pytest.FixtureRequest) -> Iterator[Any]:
    made = Instance(port=server.port, already_running=True, context_in_body=request.param)
    yield made
    made.session.close()
    made._shm.unlink()


@pytest.fixture
def remote(instance: Any) -> Any:
    """The same instance, made to believe that the server is on another machine: no shared memory."""
    instance._is_local = False
    return instance


KINDS = ["context", "image", "annotated_image", "heatmap"]


def checked(result: Any, image: NDArray[np.uint8], kind: str) -> None:
    colour = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    assert result.context["seen"]["sum"] == int(colour.sum(dtype="uint64"))
    assert result.context["seen"]["data"] == "part 7"
    if kind == "context":
        assert result.image_bytes is None
    else:
        expected = np.zeros_like(colour) if kind == "heatmap" else colour
        np.testing.assert_array_equal(result.get_decoded_image(), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_is_analysed(instance: Any, scene: NDArray[np.uint8], tmp_path: Path, kind: str) -> None:
    cv2.imwrite(str(tmp_path / "part.png"), scene)
    checked(instance.analyze(tmp_path / "part.png", kind, data="part 7"), scene, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_are_analysed(instance: Any, scene: NDArray[np.uint8], kind: str) -> None:
    encoded = bytes(cv2.imencode(".png", scene)[1])
    checked(instance.analyze(encoded, kind, data="part 7"), scene, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", [True, False], ids=["colour", "grey"])
def test_an_array_goes_through_shared_memory(
    instance: Any, scene: NDArray[np.uint8], kind: str, *, colour: bool
) -> None:
    image = scene if colour else scene[:, :, 1].copy()
    assert instance._can_use_shm
    checked(instance.analyze(image, kind, data="part 7"), image, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("colour", [True, False], ids=["colour", "grey"])
def test_an_array_goes_over_the_network(remote: Any, scene: NDArray[np.uint8], kind: str, *, colour: bool) -> None:
    image = scene if colour else scene[:, :, 1].copy()
    assert not remote._can_use_shm
    checked(remote.analyze(image, kind, data="part 7"), image, kind)


def test_data_that_was_not_given_arrives_as_the_sdk_writes_it(instance: Any, scene: NDArray[np.uint8]) -> None:
    assert instance.analyze(scene).context["seen"]["data"] == "None"


def _project(folder: Path) -> Path:
    project = write_project(folder, '[[flow]]\nmodule = "code"\nfile = "code/echo.py"\n', echo=ECHO)
    (project / "pekat_package.json").write_text("{}")
    return project


def _stopped(instance: Any) -> int:
    instance.stop()
    status: int = instance.process.wait(60)
    instance.process.stdout.close()
    instance.session.close()
    instance._shm.unlink()
    return status


@pytest.mark.long
@pytest.mark.parametrize("wait_for_init_model", [True, False])
def test_the_sdk_starts_uses_and_stops_a_server(
    tmp_path: Path, scene: NDArray[np.uint8], *, wait_for_init_model: bool
) -> None:
    instance = Instance(_project(tmp_path / "p"), dist_path="deploy", wait_for_init_model=wait_for_init_model)
    try:
        checked(instance.analyze(scene, "annotated_image", data="part 7"), scene, "annotated_image")
    finally:
        assert _stopped(instance) == 0


def test_the_sdk_learns_that_a_port_is_taken(tmp_path: Path, server: Server) -> None:
    with pytest.raises(PortIsAllocatedError) as caught:
        Instance(_project(tmp_path / "p"), dist_path="deploy", port=server.port)
    assert caught.value.port == server.port
    _forget(caught)


def test_the_sdk_learns_what_is_wrong_with_a_project(tmp_path: Path) -> None:
    project = _project(tmp_path / "p")
    (project / "framemill.toml").write_text('[project]\nname = "p"\n[[flow]]\nmodule = "cod"\n')
    with pytest.raises(PekatNotStartedError, match="cod") as caught:
        Instance(project, dist_path="deploy")
    _forget(caught)


def test_code_can_be_disabled_by_the_sdk(tmp_path: Path) -> None:
    with pytest.raises(PekatNotStartedError, match="code modules") as caught:
        # the SDK itself can pass nothing but strings to its process
        Instance(_project(tmp_path / "p"), dist_path="deploy", disable_code="True")
    _forget(caught)


def _forget(caught: pytest.ExceptionInfo[Any]) -> None:
    """Close what an instance that failed to start leaves open: its frames still hold it."""
    frame = caught.tb
    while frame is not None:
        half_made = frame.tb_frame.f_locals.get("self")
        if isinstance(half_made, Instance):
            half_made.session.close()
            half_made.stop_key = None
            half_made._shm.unlink()
            if half_made.process is not None:
                half_made.process.wait(60)
                half_made.process.stdout.close()
            return
        frame = frame.tb_next  # type: ignore[assignment]


OLD_CLIENT = """
import json, sys
import numpy as np
from PekatVisionSDK import Instance
port, key, in_body = int(sys.argv[1]), sys.argv[2], sys.argv[3] == "1"
instance = Instance(port=port, already_running=True, api_key=key, context_in_body=in_body)
image = np.arange(48 * 64 * 3, dtype=np.uint8).reshape(48, 64, 3)
context = instance.analyze(image, data="part 7")
answer = {"context": context}
if "seen" in context:
    picture, behind = instance.analyze(image, "annotated_image", data="part 7")
    answer |= {"same": bool((picture == image).all()), "behind": behind["seen"]}
print(json.dumps(answer))
"""


def _old_client(port: int, key: str, in_body: str) -> dict[str, Any]:
    if not OLD_SDK.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{OLD_SDK} is missing: make setup installs it")
        pytest.skip(f"the older SDK is not installed in {OLD_SDK}: make setup installs it")
    done = subprocess.run(
        [sys.executable, "-c", OLD_CLIENT, str(port), key, in_body],
        env={**os.environ, "PYTHONPATH": str(OLD_SDK)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.long
def test_the_older_sdk_sends_its_key(tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("a-key-for-tests\n")
    with serving(_project(tmp_path / "p"), "--api-key-file", str(key_file)) as server:
        for in_body in ("0", "1"):
            answer = _old_client(server.port, "a-key-for-tests", in_body)
            assert answer["same"] is True
            assert answer["behind"]["data"] == answer["context"]["seen"]["data"] == "part 7"
            refused = _old_client(server.port, "another-key", in_body)["context"]
            assert refused["error"] is True
            assert refused["code"] == "unauthorized"


def test_the_starter_is_found_from_a_copy_of_the_folder(tmp_path: Path) -> None:
    starter = tmp_path / "pekat_vision" / "pekat_vision"
    starter.parent.mkdir()
    shutil.copy(CHECKOUT / "deploy" / "pekat_vision" / "pekat_vision", starter)
    done = subprocess.run(
        [starter, "--help"],
        env={**os.environ, "FRAMEMILL_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "-stop_key" in done.stdout


@pytest.mark.long
def test_what_the_starter_writes_to_the_temporary_folder_goes_when_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    project = _project(tmp_path / "p")
    instance = Instance(project, dist_path="deploy")
    (log,) = temporary.glob("*.log")
    assert "ready after" in log.read_text()
    assert _stopped(instance) == 0
    assert list(temporary.iterdir()) == []

    broken = Instance(project, dist_path="deploy")
    assert broken.process is not None
    broken.process.kill()
    broken.process.wait(60)
    broken.stop_key = None
    (left,) = temporary.glob("*.log")
    (temporary / "framemill-starter-linked.log").symlink_to(project / "framemill.toml")
    # it was killed, so the next one does it; what is no such file stays, and so does what a link leads to
    until(lambda: subprocess.run(["flock", "-n", "-x", left, "true"], check=False).returncode == 0)
    instance = Instance(project, dist_path="deploy")
    assert left not in temporary.iterdir()
    assert _stopped(instance) == 0
    assert [path.name for path in temporary.iterdir()] == ["framemill-starter-linked.log"]
    assert (project / "framemill.toml").exists()
    broken.process.stdout.close()
    broken.session.close()
    broken._shm.unlink()
