"""The demo as a whole: what it is made of, in which order it starts and ends.

    vendors' server ◄──fetch── scheduler ──► changes ◄── actor
                                                │
                                               log ──► web server ──► browsers

Promises: what a visitor is told is true before it is told: the token is in the database, the vendors' server answers.
Ends in order, within two seconds: those who write first, then those who are read.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack

from django.core.management import call_command

from redline.demo import accounts, embedded, seed
from redline.demo.actor import Actor
from redline.demo.greeting import Greeting
from redline.demo.listening import Place
from redline.demo.street import Street
from redline.monitoring.scheduling import Scheduler

GRACE = 1.0
"""Seconds for runs that are under way; the vendors' server answers in milliseconds."""


class Demo:
    """Everything but the web server, which has the main thread. What was begun ends with `stack`."""

    def __init__(self, place: Place, stack: ExitStack) -> None:
        self._place = place
        self._stack = stack

    def prepare(self) -> Greeting:
        """Bring the database up to date, start the vendors' server, and return what a visitor is told."""
        embedded.prepare(host_names=self._place.host_names)
        call_command("migrate", verbosity=0, interactive=False)
        people = accounts.make()
        street = Street(mark=people.org.pk, port=seed.former_port(), begun=seed.begun)
        self._stack.callback(street.stop)
        street.start()
        if street.is_ours:
            accounts.end_tokens(people)
        embedded.allow_fetching_from(street.host)
        seed.make(people, sites_url=street.url)
        self._workers = Workers(Scheduler(), Actor(org_id=people.org.pk, user_id=people.users["member"].pk))
        return Greeting(
            url=self._place.url,
            users=tuple(people.users),
            password=people.password,
            token=accounts.new_token(people),
            sites_url=street.url,
        )

    def start(self) -> None:
        """Start those who write."""
        self._stack.callback(self._workers.stop)
        self._workers.start()

    def end(self) -> None:
        """Begin to end, without waiting: the web server says goodbye to its streams meanwhile."""
        self._workers.end()


class Workers:
    """Scheduler and actor, who start and end together."""

    def __init__(self, scheduler: Scheduler, actor: Actor) -> None:
        self._scheduler = scheduler
        self._actor = actor
        self._ending = threading.Thread(target=self._end, name="demo-ending", daemon=True)
        self._ended = False

    def start(self) -> None:
        self._scheduler.start()
        self._actor.start()

    def end(self) -> None:
        if not self._ended:
            self._ended = True
            self._ending.start()

    def stop(self) -> None:
        self.end()
        self._ending.join(2 * GRACE)

    def _end(self) -> None:
        self._actor.end()
        self._scheduler.stop(GRACE)
        self._actor.stop(GRACE)
