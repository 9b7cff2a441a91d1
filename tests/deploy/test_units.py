"""The systemd units: what systemd itself says of them, and what each of them starts, really started."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.house import Clerk, Member
from tests.deploy.files import DEPLOY, INSTALLED, read
from tests.deploy.host import Worker, settings
from tests.deploy.units import Unit
from tests.environment import PYTHON
from tests.sse_client import SSE

pytestmark = pytest.mark.servers
UNITS = sorted(path.name for path in DEPLOY.iterdir() if path.suffix in (".service", ".timer"))
SERVICES = [name for name in UNITS if name.endswith(".service")]
EXPOSURE = 20
"""In tenths: systemd calls a service below 2 well protected."""


analysed = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not on this machine.")


def systemd_analyze(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *args], capture_output=True, text=True, timeout=60, check=False)


def installed(name: str, at: Path) -> Path:
    """Return a unit's file, an instance where it has instances, as if the project lay where there is a Python."""
    file = at / name.replace("@", "@8001")
    file.write_text(read(name).replace(f"{INSTALLED}/.venv/bin/python", PYTHON))
    return file


@analysed
@pytest.mark.parametrize("name", UNITS)
def test_systemd_finds_nothing_wrong_with_a_unit(name: str, tmp_path: Path) -> None:
    for needed in UNITS:
        installed(needed, tmp_path)
    done = systemd_analyze("verify", "--man=no", str(installed(name, tmp_path)))
    complaints = [line for line in done.stderr.splitlines() if "redline" in line]
    assert (done.returncode, complaints) == (0, [])


@analysed
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_kept_from_what_it_does_not_need(name: str, tmp_path: Path) -> None:
    done = systemd_analyze("security", "--offline=true", f"--threshold={EXPOSURE}", str(installed(name, tmp_path)))
    assert done.returncode == 0, done.stdout[-300:]


@pytest.fixture(scope="module")
def on_postgres() -> dict[str, str]:
    return settings(STREAM_MAX_PER_USER="0")


@pytest.fixture(scope="module")
def clerk(on_postgres: dict[str, str]) -> Iterator[Clerk]:
    one = Clerk(on_postgres["DATABASE_URL"], env=on_postgres)
    yield one
    one.close()


@pytest.mark.postgres
async def test_a_worker_says_goodbye_and_ends_within_the_patience_of_its_unit_though_a_client_does_not_read(
    on_postgres: dict[str, str], clerk: Clerk
) -> None:
    worker = Worker(on_postgres)
    member = Member(**await clerk.org())
    url = f"http://127.0.0.1:{worker.port}/v1/stream"
    async with (
        SSE.open(url, headers=member.headers) as reading,
        SSE.open(url, headers=member.headers, receive_buffer=4096) as idle,
    ):
        await reading.next(event="stream.open")
        assert idle.status == 200
        begun = time.monotonic()
        worker.process.signal(signal.SIGTERM)
        closing = await reading.next(event="stream.closing", timeout=worker.unit.patience)
        assert '"shutdown"' in (closing.data or "")
        code = worker.process.process.wait(worker.unit.patience)
        took = time.monotonic() - begun
    worker.stop()
    assert code in (0, -15), worker.process.tail()
    assert took < worker.unit.patience, f"{took:.1f} s"


@pytest.mark.postgres
def test_the_scheduler_runs_and_ends_within_the_patience_of_its_unit(on_postgres: dict[str, str]) -> None:
    unit = Unit("redline-scheduler.service")
    scheduler = unit.process({**on_postgres, "SCHEDULER_CADENCE_SECONDS": "10"})
    scheduler.spawn()
    scheduler.wait_for_output("looking for due vendors", within=20)
    assert scheduler.terminate(within=unit.patience) == 0, scheduler.tail()


@pytest.mark.postgres
def test_trimming_runs_to_its_end_and_the_timer_is_of_that_service(on_postgres: dict[str, str]) -> None:
    trim = Unit("redline-trim.service").process(on_postgres)
    trim.spawn()
    assert trim.process.wait(30) == 0, trim.tail()
    trim.terminate()
    assert "entries deleted" in trim.log()
    assert "redline-trim.timer" in UNITS
    assert Unit("redline-trim.timer")["OnCalendar"]


def test_without_its_database_a_service_ends_with_one_line_and_systemd_starts_it_again() -> None:
    unit = Unit("redline-scheduler.service")
    scheduler = unit.process(settings(DATABASE_URL="postgres://redline@127.0.0.1:1/redline"))
    scheduler.spawn()
    assert scheduler.process.wait(30) == 1
    scheduler.terminate()
    assert scheduler.log().count("\n") == 1, scheduler.log()
    assert (unit["Restart"], unit["StartLimitIntervalSec"]) == ("always", "0")
