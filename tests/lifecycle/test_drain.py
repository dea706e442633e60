"""Stopping under load: whoever was let in gets an answer, and nobody's connection is reset."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.support.faults import FRAME, GIVE_UP_S, RAW, children_of, faulty, fronts_master, is_gone, until
from tests.support.running import Server, serving


class _Camera:
    """Posts frames until nobody listens any more; anything but an answer or a refused connection is a mistake."""

    def __init__(self, server: Server, *, keeps: bool) -> None:
        self._server = server
        self._keeps = keeps
        self._enough = threading.Event()
        self.answers = 0
        self.mistakes: list[str] = []
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while connection or not self._enough.is_set():
            fresh = connection is None
            try:
                connection = connection or http.client.HTTPConnection("127.0.0.1", self._server.port, GIVE_UP_S)
                connection.request("POST", RAW, FRAME, {} if self._keeps else {"Connection": "close"})
                answer = connection.getresponse()
                answer.read()
            except ConnectionRefusedError:
                return
            except (OSError, http.client.HTTPException) as error:
                self.mistakes.append(f"{'new' if fresh else 'kept'} connection: {error!r}")
                return
            if answer.status != 200:
                self.mistakes.append(f"status {answer.status}")
            self.answers += 1
            if answer.will_close or not self._keeps or self._enough.is_set():
                connection.close()
                connection = None

    def stop(self) -> None:
        self._enough.set()
        self.join()

    def join(self) -> None:
        self._thread.join()


# as under a user of its own: since 2026 kernels ask for CAP_NET_ADMIN where a socket gets a filter
_WITHOUT_FILTERS = ["setpriv", "--bounding-set", "-net_admin"] if os.geteuid() == 0 else []


@pytest.mark.long
@pytest.mark.parametrize(
    ("keeps", "launcher"),
    [(True, []), (False, []), (False, _WITHOUT_FILTERS)],
    ids=["kept", "new", "new, unprivileged"],
)
def test_a_server_that_stops_under_load_cuts_no_answer(tmp_path: Path, keeps: bool, launcher: list[str]) -> None:
    with serving(faulty(tmp_path / "p"), launcher=launcher) as server:
        cameras = [_Camera(server, keeps=keeps) for _ in range(4)]
        for camera in cameras:
            until(lambda camera=camera: camera.answers > 20)  # type: ignore[misc]  # bound now, not when called
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(GIVE_UP_S) == 0
        for camera in cameras:
            camera.join()
        assert [camera.mistakes for camera in cameras] == [[]] * 4
    assert not [line for line in server.log if "may be reset" in line]


@pytest.mark.long
def test_fronts_that_are_exchanged_under_load_cut_no_answer(tmp_path: Path) -> None:
    with serving(faulty(tmp_path / "p")) as server:
        cameras = [_Camera(server, keeps=keeps) for keeps in (True, True, False, False)]
        for camera in cameras:
            until(lambda camera=camera: camera.answers > 20 or camera.mistakes)  # type: ignore[misc]  # bound now
        _hang_up(fronts_master(server))
        for camera in cameras:
            camera.stop()
        assert [camera.mistakes for camera in cameras] == [[]] * 4


def _hang_up(pid: int) -> None:
    """Let gunicorn start new fronts and end the old ones; returns when the old ones are gone."""
    before = children_of(pid)
    os.kill(pid, signal.SIGHUP)
    until(lambda: all(is_gone(child) for child in before))


@pytest.mark.long
def test_signals_that_change_the_number_of_fronts_do_nothing(tmp_path: Path) -> None:
    with serving(faulty(tmp_path / "p")) as server:
        master = fronts_master(server)
        before = children_of(master)
        for number in (signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2, signal.SIGWINCH):
            os.kill(master, number)
        with server.client() as client:
            assert client.post(RAW, content=FRAME).status_code == 200
        assert children_of(master) == before
