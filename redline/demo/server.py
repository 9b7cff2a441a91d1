"""The web server of the demo: Daphne, as `runserver` has it, in the main thread, until SIGINT or SIGTERM."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Before anything of Twisted's: daphne.server installs the reactor that runs on asyncio.
from streaming.asgi.daphne import Server  # isort: skip

from channels.routing import get_default_application
from daphne.endpoints import build_endpoint_description_strings
from twisted.internet import reactor as _reactor

from redline.demo.errors import PortTaken
from redline.demo.listening import Place

# Twisted's reactor is a module that becomes an object when it is installed; no type says so.
reactor: Any = _reactor


def serve(place: Place, *, ready: Callable[[], None], ending: Callable[[], None]) -> None:
    """Serve until a signal; `ready` is called once it answers, `ending` as soon as the signal has come."""
    endpoints = build_endpoint_description_strings(host=place.host, port=place.port)
    server = Server(get_default_application(), endpoints=endpoints, server_name="redline", verbosity=0)
    reactor.callWhenRunning(ready)
    reactor.addSystemEventTrigger("before", "shutdown", ending)
    place.give_up()
    server.run()
    if not server.listening_addresses:
        raise PortTaken(place.taken)
