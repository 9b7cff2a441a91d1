"""A connection whose peer has vanished, as the system tells it: on a real Redis, with the error put where it comes."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest
from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import ConnectionError as LostConnection

from streaming.redis import PlainConnection
from tests import services

pytestmark = pytest.mark.servers


async def test_a_connection_that_timed_out_is_lost_and_not_read_again_and_again() -> None:
    pool = ConnectionPool(connection_class=PlainConnection, host="127.0.0.1", port=services.redis().port)
    client = Redis(connection_pool=pool)
    subscriber = client.pubsub()
    await subscriber.subscribe("orders")
    assert (await subscriber.get_message(timeout=5))["type"] == "subscribe"
    assert await subscriber.get_message(timeout=0.05) is None, "a quiet connection is no lost one"
    connection = subscriber.connection
    connection._reader.set_exception(OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
    with pytest.raises(LostConnection, match="timed out"):
        await connection.read_response(timeout=0.05)
    assert not connection.is_connected
    async with asyncio.timeout(5):  # and the subscriber connects anew, with what it had subscribed to
        while (await subscriber.get_message(timeout=0.5) or {}).get("type") != "message":
            await client.publish("orders", "7")
    await subscriber.aclose()
    await client.aclose()
    await pool.disconnect()
