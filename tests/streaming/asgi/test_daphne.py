from __future__ import annotations

import asyncio
import io
import subprocess
from typing import Any

import pytest
from daphne.access import AccessLogGenerator
from daphne.cli import CommandLineInterface

from streaming.asgi import daphne, lifespan
from streaming.asgi.daphne import Gate, Server
from tests.environment import PYTHON, ROOT, for_child
from tests.processes import free_port


async def test_an_open_gate_lets_through_and_a_closed_one_waits() -> None:
    gate = Gate()
    await gate.passed()
    gate.pauseProducing()
    gate.pauseProducing()
    assert gate.closed
    waiting = [asyncio.create_task(gate.passed()) for _ in range(2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    waiting[0].cancel()
    await asyncio.sleep(0)
    gate.resumeProducing()
    await asyncio.wait_for(waiting[1], 1)
    assert not gate.closed
    gate.resumeProducing()


async def test_a_client_that_has_gone_opens_the_gate() -> None:
    gate = Gate()
    gate.pauseProducing()
    gate.stopProducing()
    await asyncio.wait_for(gate.passed(), 1)


def test_the_stock_command_uses_this_server() -> None:
    daphne.install()
    assert CommandLineInterface.server_class is Server


def test_the_access_log_has_no_credentials() -> None:
    out = io.StringIO()
    server = Server(application=None, endpoints=["tcp:port=0"], action_logger=AccessLogGenerator(out))
    details: dict[str, Any] = {
        "path": "/v1/stream?token=rl_aaaaaaaaaaaaaaaaaaaaaaaa&types=x",
        "method": "GET",
        "status": 200,
        "client": "127.0.0.1:1",
        "time_taken": 0.1,
        "size": 1,
    }
    server.log_action("http", "complete", details)
    assert "rl_aaaa" not in out.getvalue()
    assert "/v1/stream?token=[redacted]&types=x" in out.getvalue()
    assert "rl_aaaa" in details["path"], "what is logged is a copy"


async def test_what_has_no_application_yet_does_not_prevent_the_goodbyes(monkeypatch: pytest.MonkeyPatch) -> None:
    drained: list[str] = []
    monkeypatch.setattr(lifespan, "drain_all", lambda: drained.append("drained"))
    server = Server(application=None, endpoints=["tcp:port=0"])
    polite = asyncio.create_task(asyncio.sleep(0.01))
    deaf = asyncio.create_task(asyncio.sleep(60))
    done = asyncio.create_task(asyncio.sleep(0))
    await done
    server.connections = {
        "half-sent": {"connected": 1.0},
        "polite": {"application_instance": polite},
        "deaf": {"application_instance": deaf},
        "done": {"application_instance": done},
    }
    ended = server.kill_all_applications()
    await ended.asFuture(asyncio.get_running_loop())
    assert drained == ["drained"]
    assert not polite.cancelled()
    assert deaf.cancelled()


async def test_a_disconnect_of_an_unknown_protocol_is_nothing() -> None:
    server = Server(application=None, endpoints=["tcp:port=0"])
    server.connections = {}
    server.protocol_disconnected(object())
    server._register(object())


async def test_an_abort_cuts_the_transport_behind_a_protocol() -> None:
    class Transport:
        aborted = False

        def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
            self.aborted = True

    class Holder:
        def __init__(self, **names: Any) -> None:
            self.__dict__.update(names)

    server = Server(application=None, endpoints=["tcp:port=0"])
    over_http_1, over_http_2, websocket = Transport(), Transport(), Transport()
    server.abort(Holder(channel=Holder(transport=over_http_1)))
    server.abort(Holder(channel=over_http_2))
    server.abort(Holder(transport=websocket))
    server.abort(Holder(transport=None))
    assert over_http_1.aborted
    assert over_http_2.aborted
    assert websocket.aborted
    assert server.socket(Holder(channel=over_http_2)) is None, "it is shared with other streams"
    assert server.socket(Holder(transport=None)) is None
    over_http_1.getHandle = lambda: "its socket"  # type: ignore[attr-defined]
    assert server.socket(Holder(channel=Holder(transport=over_http_1))) == "its socket"


@pytest.mark.servers
def test_a_time_out_that_would_end_every_stream_is_refused_with_one_line() -> None:
    argv = [PYTHON, "-m", "daphne", "-p", str(free_port()), "--http-timeout", "30", "redline.asgi:application"]
    done = subprocess.run(argv, cwd=ROOT, env=for_child(), capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "--http-timeout would end every stream after that time; leave it out."
    assert "Traceback" not in done.stderr


async def test_an_answer_that_failed_in_the_middle_is_cut_and_others_are_reaped_all_the_same(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Channel:
        cut = False

        def abortConnection(self) -> None:  # noqa: N802 - Twisted's
            self.cut = True

    class Protocol:
        _response_started = True

        def __init__(self) -> None:
            self.channel = Channel()

        def handle_exception(self, error: Exception) -> None:
            raise ValueError("HTTP response has already been started")

    async def fail() -> None:
        raise RuntimeError("in the middle")

    later: list[Any] = []
    monkeypatch.setattr("daphne.server.reactor.callLater", lambda *args: later.append(args), raising=False)
    server = Server(application=None, endpoints=["tcp:port=0"])
    failed, gone = Protocol(), Protocol()
    tasks = [asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(0))]
    await asyncio.wait(tasks)
    server.connections = {
        failed: {"application_instance": tasks[0]},
        gone: {"application_instance": tasks[1], "disconnected": 1.0},
    }
    server.application_checker()
    assert failed.channel.cut
    assert gone not in server.connections
    assert later == [(1, server.application_checker)], "it goes on looking"
    assert "in the middle of its answer" in caplog.text
