"""`runserver` on Daphne, with the back-pressure that Daphne lacks."""

from __future__ import annotations

from daphne.management.commands import runserver

from streaming.asgi.daphne import Server


class Command(runserver.Command):
    server_cls = Server
