"""Connections to Redis that know a peer that is gone from one that is quiet, for the hosts of a Redis layer.

    {"host": "redis.internal", "connection_class": streaming.redis.PlainConnection}

The system ends a connection whose peer has vanished with "connection timed out". redis-py takes that for the end of a
wait like any other and reads again at once, for ever: the pub/sub layer then spins, and nothing else in the process
ever runs. Here it is what it is, a lost connection, and the layer connects anew.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import Connection, SSLConnection
from redis.asyncio.sentinel import SentinelManagedConnection, SentinelManagedSSLConnection
from redis.exceptions import ConnectionError as LostConnection


class Noticing:
    """Put before one of redis-py's connections."""

    async def read_response(self: Any, *args: Any, **kwargs: Any) -> Any:
        response = await super().read_response(*args, **kwargs)  # type: ignore[misc]
        broken = self._reader.exception() if response is None and self._reader is not None else None
        if broken is not None:
            await self.disconnect(nowait=True)
            raise LostConnection(f"Lost the connection to Redis: {broken}")
        return response


class PlainConnection(Noticing, Connection):
    pass


class TLSConnection(Noticing, SSLConnection):
    pass


class SentinelConnection(Noticing, SentinelManagedConnection):
    pass


class SentinelTLSConnection(Noticing, SentinelManagedSSLConnection):
    pass
