"""The OpenAPI document against the server that it describes: Schemathesis asks what it allows, and more."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.house import House
from tests.acceptance.seeds import draw
from tests.environment import for_child

pytestmark = pytest.mark.servers

LEFT_OUT = "positive_data_acceptance"
"""A schema cannot say all that is checked (who is a member, what is in the future); what it allows may be refused."""


def ask(house: House, token: str, folder: Path, *, phases: str, examples: int) -> str:
    """Run Schemathesis and return what it says."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", house.url("/v1/openapi.json")),
            *("--header", f"Authorization: Bearer {token}", "--exclude-checks", LEFT_OUT, "--no-color"),
            *("--phases", phases, "--max-examples", str(examples), "--seed", str(draw("the OpenAPI document"))),
        ],
        cwd=folder,
        env=for_child(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}{done.stderr[-2000:]}"
    return done.stdout


async def held(folder: Path, *, phases: str, examples: int) -> None:
    # The runs that it asks for must not fetch what it has made up.
    with House("uvicorn", env={"REDLINE_FETCH_HOSTS": "127.0.0.1:1"}) as house:
        owner = await house.owner()
        await house.clerk.detect(org=owner.org, count=2)
        said = await asyncio.to_thread(ask, house, owner.token, folder, phases=phases, examples=examples)
        log = house.server.log()
    operations, cases = re.search(r"Tested: (\d+)", said), re.search(r"(\d+) generated", said)
    assert operations, said
    assert cases, said
    print(f"{operations[1]} operations, {cases[1]} cases")
    assert int(operations[1]) >= 20
    assert int(cases[1]) >= 20 * examples // 2
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]


async def test_what_the_document_says_is_what_the_server_does(tmp_path: Path) -> None:
    await held(tmp_path, phases="fuzzing", examples=5)


@pytest.mark.long
@pytest.mark.timeout(1_200)
async def test_what_the_document_says_is_what_the_server_does_in_hundreds_of_ways(tmp_path: Path) -> None:
    await held(tmp_path, phases="examples,coverage,fuzzing,stateful", examples=200)
