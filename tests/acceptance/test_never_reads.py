"""One client that never reads while 100 MB pass: the process keeps its size, the client is put out, others go on."""

from __future__ import annotations

import asyncio
import json
import socket
import time

import pytest

from tests.servers import Kind, Server, fresh_database, manage, serve
from tests.sse_client import SSE

pytestmark = [pytest.mark.servers, pytest.mark.long, pytest.mark.timeout(300)]

EVENT_BYTES = 60_000
EVENTS = 1_750
PAYLOAD = json.dumps(
    {"changeReportId": "chg_1", "vendorId": "vnd_1", "severity": "P3", "headline": "x" * (EVENT_BYTES - 80)}
)


def deaf(server: Server, token: str) -> socket.socket:
    """Open a stream and never read from it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", server.port))
    client.sendall(f"GET /v1/stream?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    return client


def put_out(client: socket.socket) -> bool:
    """Say whether the server has cut the connection: nothing can be written to it any more."""
    try:
        client.send(b"\r\n")
        return False
    except OSError:
        return True


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
async def test_a_client_that_never_reads_costs_no_memory_and_is_put_out(kind: Kind) -> None:
    database = fresh_database("sqlite")
    token = manage("token", "acme", "owner", "--create", database_url=database).stdout.strip()
    async with serve(kind, database_url=database) as server:  # noqa: SIM117 - the URL is the server's
        async with SSE.open(f"{server.url}/v1/stream?token={token}") as healthy:
            await healthy.next(event="stream.caught_up")
            before = server.pss_kb()
            client = deaf(server, token)
            writer = asyncio.create_task(
                asyncio.to_thread(
                    manage,
                    *("emit", "acme", "change.detected", PAYLOAD, "--count", str(EVENTS), "--rate", "120"),
                    database_url=database,
                    timeout=200,
                )
            )
            began = time.monotonic()
            out_after, most, seen = None, before, 0
            while seen < EVENTS:
                await healthy.next(event="change.detected", timeout=60)
                seen += 1
                if seen % 50 == 0:
                    most = max(most, server.pss_kb())
                    if out_after is None and put_out(client):
                        out_after = time.monotonic() - began
            written = await writer
            assert written.returncode == 0, written.stderr
            after = server.pss_kb()
    client.close()
    print(
        f"\n{kind}: {EVENTS * EVENT_BYTES / 1e6:.0f} MB passed; process {before / 1024:.1f} MB before, "
        f"{most / 1024:.1f} at most, {after / 1024:.1f} after; deaf client put out after "
        f"{'never' if out_after is None else f'{out_after:.1f} s'}"
    )
    assert most - before < 24 * 1024
    assert out_after is not None
    assert out_after < 60
