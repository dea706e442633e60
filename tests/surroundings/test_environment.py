"""What happens to stand in the environment of a server, or of the command line, and means nothing to them."""

from __future__ import annotations

import codecs
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.environment import for_fronts, settings_variables
from service.settings import Settings, load_settings
from tests.support.running import Server, serving, write_project
from workers.errors import SettingsInvalid

pytestmark = pytest.mark.long

KEY = "the-key-of-this-test"
ODD = {
    "SCRIPT_NAME": "/elsewhere",
    "FORWARDED_ALLOW_IPS": "*",
    "GUNICORN_PID": "1",
    "GUNICORN_FD": "0",
    "GUNICORN_CMD_ARGS": "--bind 127.0.0.1:1 --no-such-option",
    "WEB_CONCURRENCY": "-1",
    "PORT": "no port",
    "SENDFILE": "perhaps",
    "PROMETHEUS_MULTIPROC_DIR": "/nowhere",
    "SSLKEYLOGFILE": "/nowhere/keys",
    "FALCON_TESTING_SESSION": "1",
    "SERVER_SOFTWARE": "another",
    "OPENBLAS_NUM_THREADS": "8",
    "OMP_NUM_THREADS": "8",
    "OPENCV_IO_MAX_IMAGE_PIXELS": "1",
    "NOTIFY_SOCKET": "/nowhere/notify",
    "LISTEN_FDS": "3",
    "LISTEN_PID": "1",
    "TMPDIR": "/nowhere",
    "HOME": "/nowhere",
    "TZ": "Nowhere/At-All",
    "LC_ALL": "xx_YY.no-such",
    "COLUMNS": "wide",
    # what Kubernetes and Docker say of services called framemill and framemill-line-3
    "FRAMEMILL_PORT": "tcp://10.0.0.7:8000",
    "FRAMEMILL_SERVICE_HOST": "10.0.0.7",
    "FRAMEMILL_SERVICE_PORT": "8000",
    "FRAMEMILL_SERVICE_PORT_HTTP": "8000",
    "FRAMEMILL_PORT_8000_TCP": "tcp://10.0.0.7:8000",
    "FRAMEMILL_PORT_8000_TCP_PROTO": "tcp",
    "FRAMEMILL_PORT_8000_TCP_PORT": "8000",
    "FRAMEMILL_PORT_8000_TCP_ADDR": "10.0.0.7",
    "FRAMEMILL_LINE_3_PORT": "udp://10.0.0.8:9",
    "FRAMEMILL_LINE_3_SERVICE_HOST": "10.0.0.8",
    "FRAMEMILL_LINE_3_PORT_9_UDP_ADDR": "10.0.0.8",
    "FRAMEMILL_NAME": "/web/framemill",
    "FRAMEMILL_ENV_PATH": "/bin",
}
FORWARDED = (
    {"X-Forwarded-Proto": "https", "X-Forwarded-Protocol": "http"},
    {"X-Forwarded-Proto": "http", "X-Forwarded-SSL": "on"},
    {"X-Forwarded-Proto": "nonsense"},
    {"X-Forwarded-Protocol": "ssl"},
    {"Script-Name": "/elsewhere", "X-Forwarded-Prefix": "/elsewhere"},
)


# the rest that a process inherits and that a server must not mind
WORST = """
import os, resource, signal, sys
os.umask(0o777)
for name in ("SIGCHLD", "SIGHUP", "SIGPIPE", "SIGALRM", "SIGUSR2", "SIGINT"):
    signal.signal(signal.Signals[name], signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 64))
resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that was started in the worst of surroundings."""
    code = "import os, signal\ndef main(context):\n    if context['data'] == 'die': os.kill(os.getpid(), 9)\n"
    flow = '[[flow]]\nmodule = "code"\nfile = "code/c.py"\n'
    project = write_project(tmp_path_factory.mktemp("odd") / "p", flow, c=code)
    with serving(project, "--workers", "1", env=ODD, launcher=[sys.executable, "-c", WORST]) as made:
        yield made
        assert made.stop() == 0  # it hears signals


def test_a_server_starts_and_answers_whatever_is_in_its_environment(odd: Server) -> None:
    with odd.client() as client:
        assert client.get("/ping").status_code == 200
        assert client.post("/analyze_raw_image?width=4&height=4", content=bytes(16)).status_code == 200
        assert client.get("/metrics").status_code == 200
    passed_by = [line for line in odd.log if "of a service called framemill" in line]
    assert len(passed_by) == 1
    assert "FRAMEMILL_LINE_3_PORT_9_UDP_ADDR" in passed_by[0]


def test_a_server_sees_how_its_children_end_and_hears_signals(odd: Server) -> None:
    with odd.client() as client:
        assert client.post("/analyze_raw_image?width=4&height=4&data=die", content=bytes(16)).status_code == 500
        assert client.post("/analyze_raw_image?width=4&height=4", content=bytes(16)).status_code == 200
        assert client.put("/api/v1/process", json={"process": False}).json() == {"process": False}
        assert client.put("/api/v1/process", json={"process": True}).json() == {"process": True}
    kept = odd.project / ".framemill"
    assert kept.stat().st_mode & 0o700 == 0o700
    assert all(path.stat().st_mode & 0o600 == 0o600 for path in kept.rglob("*"))


@pytest.mark.parametrize("headers", FORWARDED, ids=" ".join)
def test_what_a_proxy_says_of_the_scheme_changes_nothing(odd: Server, headers: dict[str, str]) -> None:
    with httpx.Client(base_url=odd.url, headers=headers, trust_env=False) as client:
        assert client.get("/ping").status_code == 200
        frame = client.post("/analyze_raw_image?width=4&height=4", content=bytes(16))
        assert (frame.status_code, frame.json()["error"]) == (200, False)


def test_fronts_are_told_little(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**ODD, "FRAMEMILL_API_KEY": KEY, "LD_PRELOAD": "x", "PATH": "/bin"}.items():
        monkeypatch.setenv(name, value)
    assert set(for_fronts()) - {"LANG", "LANGUAGE", "LOGNAME", "USER"} == {
        *("HOME", "PATH", "TMPDIR", "TZ", "LC_ALL", "LD_PRELOAD"),
        *(name for name in os.environ if name.startswith(("LC_", "LD_", "MALLOC_", "GLIBC_", "OPENSSL_"))),
    }


def test_names_of_a_service_are_told_from_settings_and_from_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ODD.items():
        monkeypatch.setenv(name, value)
    assert settings_variables(Settings.model_fields) == {}
    monkeypatch.setenv("FRAMEMILL_PORT", " 8123\n")
    monkeypatch.setenv("FRAMEMILL_SERVICE_PROT", "8000")
    monkeypatch.setenv("FRAMEMILL_LINE_3_PORT", "8000")
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({}, {})
    # without an address in FRAMEMILL_PORT nothing speaks of a link of Docker's
    wrong = ("FRAMEMILL_SERVICE_PROT", "FRAMEMILL_LINE_3_PORT", "FRAMEMILL_NAME", "FRAMEMILL_ENV_PATH")
    assert set(caught.value.message.splitlines()) == {f"{name}: there is no such setting" for name in wrong}


@pytest.mark.parametrize("around", ["{}\n", "{}\r\n", " {} ", "\ufeff{}", "{}\t\n\n"])
def test_what_stands_around_a_key_is_no_part_of_it(around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given = around.format(KEY)
    monkeypatch.setenv("FRAMEMILL_API_KEY", given)
    assert load_settings({}, {}).read_api_key() == KEY
    monkeypatch.delenv("FRAMEMILL_API_KEY")
    assert load_settings({"api_key": given}, {}).read_api_key() == KEY
    stop_key = load_settings({}, {"stop_key": given}).stop_key
    assert stop_key is not None
    assert stop_key.get_secret_value() == KEY


@pytest.mark.parametrize(
    "content",
    [
        f"{KEY}".encode(),
        f"{KEY}\r\nanother line\r\n".encode(),
        codecs.BOM_UTF8 + f"{KEY}\n".encode(),
        f"\ufeff{KEY}\r\n".encode("utf-16-le"),
        f"\ufeff{KEY}\n".encode("utf-16-be"),
        f"  {KEY}\t\n".encode(),
    ],
)
def test_a_file_of_a_key_may_come_from_any_editor(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(content)
    assert load_settings({"api_key_file": tmp_path / "key"}, {}).read_api_key() == KEY


@pytest.mark.parametrize("name", ["api_key", "stop_key"])
@pytest.mark.parametrize("given", ["", " \n", "\ufeff"])
def test_an_empty_key_is_a_mistake_and_not_an_open_server(name: str, given: str) -> None:
    with pytest.raises(SettingsInvalid, match="a key was expected, and this is empty"):
        load_settings({}, {name: given})


def test_a_wrong_key_is_not_shown() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load_settings({"api_key": 271828}, {})
    assert "271828" not in caught.value.message


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "key").write_bytes(codecs.BOM_UTF8 + KEY.encode() + b"\r\n")
    with serving(write_project(folder / "p"), "--workers", "1", "--api-key-file", str(folder / "key")) as server:
        yield server


@pytest.mark.parametrize(
    "variables",
    [
        {"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"},
        {"ALL_PROXY": "socks5://127.0.0.1:1", "all_proxy": "nonsense"},
        {"SSL_CERT_FILE": "/nowhere", "SSL_CERT_DIR": "/nowhere", "REQUESTS_CA_BUNDLE": "/nowhere"},
        {"SSL_CERT_FILE": "/etc/passwd", "SSLKEYLOGFILE": "/nowhere/keys"},
        {"NETRC": "/etc/passwd", "NO_PROXY": "[", "FRAMEMILL_API_KEY": f"\ufeff{KEY}\r\n"},
    ],
    ids=" ".join,
)
def test_the_command_line_reaches_a_server_on_this_machine(guarded: Server, variables: dict[str, str]) -> None:
    env = {"FRAMEMILL_API_KEY": f"{KEY}\n", "FRAMEMILL_URL": f"{guarded.url}\n", **variables}
    assert _process(env) == (0, "on\n", "")


def _process(env: dict[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "service.cli", "process", "status"],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("localhost:8000", 2),
        ("http://[::1", 2),
        ("ftp://127.0.0.1", 2),
        ("http://127.0.0.1:99999", 2),
        ("http://\x01", 2),
        ("http://127.0.0.1:1", 4),
        ("https://127.0.0.1:1", 4),
        ("http://no such host", 4),
    ],
)
def test_an_address_where_no_server_is_gets_one_line(url: str, status: int) -> None:
    found, said, complained = _process({"FRAMEMILL_URL": url})
    assert (found, said) == (status, "")
    assert complained.startswith("framemill: ")
    assert complained.count("\n") == 1


@pytest.mark.parametrize("key", ["k\u00fc\u010d", "two\nlines", "\udcff"])
def test_an_odd_key_gets_one_line(guarded: Server, key: str) -> None:
    found, _, complained = _process({"FRAMEMILL_API_KEY": key, "FRAMEMILL_URL": guarded.url})
    assert found in {1, 2}
    assert complained.startswith("framemill: ")
    assert complained.count("\n") == 1
