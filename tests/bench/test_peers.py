"""The peers of the bench: what their files promise, and that the job they all do reads the right mark."""

import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from bench import peer
from bench.frames import SCENARIOS, shots
from service.trial.load import Shot

PEERS_FOLDER = Path(peer.__file__).parent / "peers"
FILES = sorted(path.name for path in PEERS_FOLDER.glob("*.py") if path.name not in {"job.py", "detect.py"})
WIDTH_PX, HEIGHT_PX = 640, 480
PINNED = re.compile(r"[a-z0-9._-]+(\[[a-z,]+\])?==[0-9][0-9a-z.]*")


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(PEERS_FOLDER))
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    monkeypatch.setenv("BENCH_WIDTH_PX", str(WIDTH_PX))
    monkeypatch.setenv("BENCH_HEIGHT_PX", str(HEIGHT_PX))
    monkeypatch.delitem(sys.modules, "job", raising=False)
    module = importlib.import_module("job")
    monkeypatch.delitem(sys.modules, "job")
    return module


def body_of(shot: Shot) -> bytes:
    return b"".join(bytes(piece) for piece in shot.body)


def test_every_peer_has_a_name_and_every_name_a_file() -> None:
    described = {line for name in peer.PEERS for line in peer.dependencies(name)}
    found = {line for file in FILES for line in re.findall(r'(?m)^#   "(.*)",$', (PEERS_FOLDER / file).read_text())}
    assert len(peer.PEERS) == len(FILES)
    assert described == found


@pytest.mark.parametrize("file", FILES)
def test_a_peer_is_written_in_less_than_sixty_lines(file: str) -> None:
    assert len((PEERS_FOLDER / file).read_text().splitlines()) < 60


@pytest.mark.parametrize("file", FILES)
def test_a_peers_file_is_not_named_like_the_package_it_imports(file: str) -> None:
    imported = re.findall(r"(?m)^(?:from|import) (\w+)", (PEERS_FOLDER / file).read_text())
    assert Path(file).stem not in imported


@pytest.mark.parametrize("name", peer.PEERS)
def test_a_peer_pins_everything_that_it_needs(name: str) -> None:
    needed = peer.dependencies(name)
    assert [line for line in needed if not PINNED.fullmatch(line)] == []
    assert {"numpy", "opencv-python-headless", "orjson"} < {line.partition("==")[0] for line in needed}


def test_all_peers_do_the_job_with_the_same_versions_of_its_libraries() -> None:
    lines = [line for name in peer.PEERS for line in peer.dependencies(name)]
    assert len({line for line in lines if line.startswith("opencv")}) == 1
    assert len({line for line in lines if line.startswith("numpy")}) == 1


@pytest.mark.parametrize("scenario", ["raw BGR", "BayerRG8", "JPEG", "PNG"])
def test_the_job_answers_with_the_mark_of_the_frame(job: ModuleType, scenario: str) -> None:
    with shots(SCENARIOS[scenario], WIDTH_PX, HEIGHT_PX) as made:
        wrong = [shot.expects for shot in made if shot.expects not in job.inspect(body_of(shot))]
        assert len({shot.expects for shot in made}) == len(made)
    assert wrong == []


def test_the_job_draws_onto_a_copy_and_returns_a_png(job: ModuleType) -> None:
    with shots(SCENARIOS["raw BGR"], WIDTH_PX, HEIGHT_PX) as made:
        context, png = job.annotate(body_of(made[0]))
        frame, drawn = job.decode(body_of(made[0])), job.decode(png)
    assert made[0].expects in context
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert drawn[300, 600].tolist() == [0, 0, 255]
    assert frame[300, 600].tolist() != [0, 0, 255]


def test_a_peer_that_is_not_installed_is_unavailable_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mosec_server.py").write_text((PEERS_FOLDER / "mosec_server.py").read_text())
    monkeypatch.setattr(peer, "_FOLDER", tmp_path)
    with pytest.raises(peer.PeerUnavailable, match="mosec is not installed"):
        peer.versions("mosec")
    with pytest.raises(peer.PeerUnavailable, match="mosec is not installed"), peer.running_peer("mosec", 1, 64, 64):
        pass


def test_a_peer_that_ends_at_once_is_unavailable_with_what_it_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mosec_server.py").write_text("raise SystemExit('no such thing here')")
    binaries = tmp_path / ".venvs" / "mosec_server" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python").symlink_to(sys.executable)
    monkeypatch.setattr(peer, "_FOLDER", tmp_path)
    with pytest.raises(peer.PeerUnavailable, match="no such thing here"), peer.running_peer("mosec", 1, 64, 64):
        pass
