"""`manage.py demo`: Redline with fictional vendors, in one process, with nothing to set up.

    manage.py demo [--port 8000] [--host 127.0.0.1] [--no-browser]

Migrates, makes what the demo needs, prints where to go and how to follow, and only then serves: the web server in the
main thread; the vendors' web server, the scheduler and an actor in threads of their own. Ctrl-C and SIGTERM end all of
it. Exit codes: 0 ended, 1 cannot start (one line says why), 2 bad usage.
"""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from typing import Any

from django.core.management.base import CommandError, CommandParser

from redline.demo import browser, server
from redline.demo.demo import Demo
from redline.demo.errors import DemoError
from redline.demo.listening import Place
from streaming.management.command import BadInput, OneLineCommand


class Command(OneLineCommand):
    help = "Run Redline with fictional vendors whose pages really change: nothing to set up, safe to run again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", default="8000", help="where the board is served (8000)")
        parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
        parser.add_argument("--no-browser", action="store_true", help="do not open the board in a browser")

    def handle(self, *args: Any, port: str, host: str, no_browser: bool, **options: Any) -> None:
        number = _port(port)
        if not host.strip("[] "):
            raise BadInput("--host must be an address to listen on, such as 127.0.0.1.")
        _end_on_signals()
        try:
            with ExitStack() as stack:
                self._serve(stack, host=host, port=number, browse=not no_browser)
        except KeyboardInterrupt:
            return
        except DemoError as error:
            raise CommandError(str(error)) from None

    def _serve(self, stack: ExitStack, *, host: str, port: int, browse: bool) -> None:
        place = Place(host, port)
        stack.callback(place.give_up)
        demo = Demo(place, stack)
        self.stdout.write(str(demo.prepare()))
        self.stdout.flush()
        demo.start()

        def ready() -> None:
            if browse and browser.may_open(sys.stdout):
                browser.open_soon(place.url)

        server.serve(place, ready=ready, ending=demo.end)


def _port(text: str) -> int:
    number = int(text) if str(text).isdecimal() and len(str(text)) < 6 else 0
    if not 1 <= number <= 65_535:
        raise BadInput(f"--port must be a number from 1 to 65535, not {text!r}.")
    return number


def _end_on_signals() -> None:
    """Let both signals end the start as Ctrl-C does; a shell starts what is in its background with SIGINT ignored."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
