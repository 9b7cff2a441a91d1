from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import psycopg
import pytest
from django.conf import settings
from django.db import connection

from tests import binaries, environment, processes, services
from tests.environment import ROOT


@pytest.mark.any_database
@pytest.mark.django_db
def test_the_database_and_the_layer_are_the_ones_that_were_asked_for() -> None:
    asked = os.environ.get("REDLINE_TEST_DATABASE", "sqlite")
    vendor, layer = {
        "sqlite": ("sqlite", "channels.layers.InMemoryChannelLayer"),
        "postgres": ("postgresql", "channels_redis.pubsub.RedisPubSubChannelLayer"),
    }[asked]
    assert connection.vendor == vendor
    assert settings.CHANNEL_LAYERS["default"]["BACKEND"] == layer


@pytest.mark.servers
def test_a_database_that_the_shell_names_is_not_the_one_of_the_tests() -> None:
    claim = "tests/test_services.py::test_the_database_and_the_layer_are_the_ones_that_were_asked_for"
    ours = ("REDLINE_TEST_", "PYTEST_")
    shell = {name: value for name, value in environment.for_child().items() if not name.startswith(ours)}
    shell["DATABASE_URL"] = "postgres://nobody@127.0.0.1:1/production"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", claim],
        cwd=ROOT,
        env=shell,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.sqlite
@pytest.mark.django_db
def test_the_sqlite_test_database_is_a_file_with_a_write_ahead_log() -> None:
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert Path(connection.settings_dict["NAME"]).is_file()
    assert ROOT not in Path(connection.settings_dict["NAME"]).parents


@pytest.mark.postgres
@pytest.mark.django_db
def test_the_postgres_of_the_test_database_is_not_the_one_that_tests_may_stop() -> None:
    assert str(services.postgres().port) != connection.settings_dict["PORT"]


@pytest.mark.postgres
def test_no_other_process_of_the_run_has_the_same_database_or_redis() -> None:
    assert settings.DATABASES["default"]["PORT"] == services.postgres(services.TEST_DATABASE).port
    (layer,) = settings.CHANNEL_LAYERS["default"]["CONFIG"]["hosts"]
    assert layer["port"] == services.redis(services.TEST_DATABASE).port


@pytest.mark.servers
def test_postgres_keeps_what_was_committed_over_a_kill_and_a_restart() -> None:
    cluster = services.postgres("of-this-test")
    url = cluster.create_database("kept")
    with psycopg.connect(url) as one:
        one.execute("CREATE TABLE t AS SELECT 1 AS n")
    cluster.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    cluster.start()
    cluster.stop()
    assert not cluster.running
    cluster.start()
    with psycopg.connect(url) as one:
        assert one.execute("SELECT n FROM t").fetchall() == [(1,)]
    cluster.stop()


@pytest.mark.servers
def test_a_stop_of_postgres_ends_the_connections_of_its_clients() -> None:
    cluster = services.postgres("of-this-test")
    with psycopg.connect(cluster.url, autocommit=True) as client:
        cluster.stop()
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")


@pytest.mark.servers
def test_a_frozen_postgres_answers_when_it_is_thawed() -> None:
    cluster = services.postgres("of-this-test")
    cluster.freeze()
    with pytest.raises(psycopg.errors.ConnectionTimeout):
        psycopg.connect(cluster.url, connect_timeout=2)
    cluster.thaw()
    psycopg.connect(cluster.url, connect_timeout=5).close()
    cluster.stop()


@pytest.mark.servers
def test_redis_forgets_on_a_kill_and_is_silent_while_frozen() -> None:
    server = services.redis("of-this-test")
    assert server.command("SET a 1") == b"+OK\r\n"
    server.freeze()
    with pytest.raises(TimeoutError):
        server.command("GET a", timeout=0.2)
    server.thaw()
    assert server.command("GET a") == b"$1\r\n1\r\n"
    server.kill()
    with pytest.raises(ConnectionRefusedError):
        server.command("GET a")
    server.start()
    assert server.command("GET a") == b"$-1\r\n"
    server.stop()


def test_services_listen_below_the_ports_of_outgoing_connections() -> None:
    assert 20_000 <= processes.free_port() < 32_768


@pytest.mark.servers
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another user")
def test_root_runs_services_as_nobody() -> None:
    assert psutil.Process(services.postgres().pid).username() == "nobody"
    assert psutil.Process(services.redis().pid).username() == "nobody"


@pytest.mark.servers
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can drop to another user")
def test_binaries_in_a_private_directory_are_copied_to_where_nobody_can_read(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    install, libraries = private / "package" / "install", private / "package.libs"
    for folder in (install, libraries):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    copied = binaries._readable([install, libraries])
    assert binaries._open_to_all(copied)
    assert (copied / "file").read_text() == (copied.parent.parent / "package.libs" / "file").read_text() == "x"


VICTIM = """
import sys
from tests import leftovers, services
server = services.redis()
server.freeze()
print(server.pid, leftovers.directory(), flush=True)
sys.stdin.read()
"""


@pytest.mark.servers
def test_what_a_killed_run_had_started_ends_with_it_even_frozen() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as victim:
        assert victim.stdout is not None
        pid, directory = victim.stdout.readline().split()
        service = psutil.Process(int(pid))
        victim.send_signal(signal.SIGKILL)
    service.wait(10)
    processes.wait_until(lambda: not Path(directory).exists(), within=10, what="its directory is removed")


@pytest.mark.parametrize(("required", "outcome"), [("1", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_what_is_missing_is_left_out_unless_it_is_required(
    monkeypatch: pytest.MonkeyPatch, required: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("REDLINE_REQUIRE_REAL", required)
    with pytest.raises(outcome, match=r"Chromium is missing: set it\."):
        services.missing("Chromium", "set it")


@pytest.mark.parametrize(("required", "code"), [("1", 1), ("0", 0), ("", 0)])
def test_each_missing_thing_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], required: str, code: int
) -> None:
    monkeypatch.setenv("REDLINE_REQUIRE_REAL", required)
    monkeypatch.setattr(binaries, "chromium", lambda: None)
    monkeypatch.setattr(binaries, "redis", lambda: None)
    monkeypatch.setattr(binaries, "nginx", lambda: None)
    assert services.report() == code
    assert capsys.readouterr().out.splitlines() == [
        "left out: tests with Redis (no redis-server program)",
        "left out: tests in a browser (no Chromium)",
        "left out: tests behind nginx (no nginx)",
    ]


def test_no_variable_of_the_project_reaches_a_child_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://production/")
    monkeypatch.setenv("STREAM_MAX_PER_USER", "1")
    child = environment.for_child({"CACHE_URL": "locmemcache://", "CHANNELS_URL": None})
    assert {name for name in child if environment.is_project_variable(name)} == {"SECRET_KEY", "CACHE_URL"}


def test_every_variable_that_the_settings_read_is_kept_from_tests() -> None:
    source = (ROOT / "redline" / "settings.py").read_text()
    read = set(re.findall(r"""(?:setting|number|whole|names|environ\.get|getenv)\(\s*["']([A-Z_]+)["']""", source))
    assert read
    assert {name for name in read if not environment.is_project_variable(name)} == set()


def test_a_wait_ends_with_the_thing_or_says_what_did_not_come() -> None:
    begun = time.monotonic()
    processes.wait_until(lambda: True, within=10, what="nothing")
    assert time.monotonic() - begun < 5
    with pytest.raises(TimeoutError, match=r"Not within 0.05 s: the moon\."):
        processes.wait_until(lambda: False, within=0.05, what="the moon")
