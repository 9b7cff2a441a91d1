from __future__ import annotations

import asyncio
import sqlite3

import psutil
import psycopg
import pytest

from tests import processes, services
from tests.environment import PYTHON, for_child
from tests.processes import Process
from tests.servers import Kind, fresh_database, manage, serve

pytestmark = pytest.mark.servers
APPLICATION = "tests.echo_application:application"
KINDS: list[Kind] = ["daphne", "uvicorn"]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_server_is_up_inside_the_block_and_gone_after_it(kind: Kind) -> None:
    async with serve(kind, application=APPLICATION, database_url="sqlite:///:memory:") as server:
        assert server.answers("/healthz")
        assert not server.answers("/nowhere")
        assert 10_000 < server.pss_kb() <= server.rss_kb() < 500_000
        process = psutil.Process(server.pid)
    assert not process.is_running()
    assert not server.answers("/healthz")


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_server_is_silent_and_answers_when_thawed(kind: Kind) -> None:
    with serve(kind, application=APPLICATION, database_url="sqlite:///:memory:") as server:
        server.freeze()
        assert not server.answers("/healthz")
        server.thaw()
        assert server.answers("/healthz")
        server.kill()
        assert not server.running


def test_the_workers_of_a_killed_server_die_with_it() -> None:
    with serve("uvicorn", application=APPLICATION, database_url="sqlite:///:memory:", workers=2) as server:
        family = server.family()
        assert len(family) >= 3
        server.kill()
    processes.wait_until(lambda: not any(one.is_running() for one in family), within=5, what="the workers are gone")


def test_a_server_that_does_not_start_says_why_at_once() -> None:
    with pytest.raises(RuntimeError, match=r'before 200 from /healthz:[\s\S]*import module "nowhere"'):
        serve("uvicorn", application="nowhere:application", database_url="sqlite:///:memory:").start()


def test_output_goes_to_the_log_and_can_be_waited_for() -> None:
    process = Process([PYTHON, "-c", "print('ready'); input()"], name="printer", env=for_child())
    process.spawn()
    with pytest.raises(RuntimeError, match=r"printer ended with 1 before 'never' in its output:\nready"):
        process.wait_for_output("never")
    assert "EOFError" in process.log()


def test_what_ignores_sigterm_is_killed() -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); signal.pause()"
    process = Process([PYTHON, "-c", stubborn], name="stubborn", env=for_child())
    process.spawn()
    process.wait_for_output("deaf")
    assert process.terminate(within=0.2) == -9


def test_a_command_runs_to_its_end_and_shows_what_it_said() -> None:
    done = manage("check", "--no-such-option", database_url=fresh_database())
    assert done.returncode == 2
    assert "--no-such-option" in done.stderr


def test_fresh_databases_are_migrated_and_apart() -> None:
    first, second = fresh_database(), fresh_database()
    assert first != second
    with sqlite3.connect(second.removeprefix("sqlite:///")) as connection:
        assert connection.execute("SELECT count(*) FROM django_migrations").fetchone()[0] > 10


def test_fresh_databases_on_postgres_are_migrated_and_apart() -> None:
    services.postgres()
    first, second = fresh_database("postgres"), fresh_database("postgres")
    assert first != second
    with psycopg.connect(second) as connection:
        assert connection.execute("SELECT count(*) FROM django_migrations").fetchone()[0] > 10


@pytest.mark.parametrize("kind", KINDS)
async def test_the_project_itself_is_served(kind: Kind) -> None:
    async with serve(kind) as server:
        assert await asyncio.to_thread(server.answers, "/healthz")
