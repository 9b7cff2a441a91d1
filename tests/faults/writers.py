"""A writer that lives through faults: writes until it is told to stop, waits for a database that has gone away.

    python -m tests.faults.writers --journal FILE --writer 1 --seed 7 --orgs org_a,org_b --rate 50

It is `tests.acceptance.writers`' writer with its journal. Now and then it is `--negligent`: it drops what it should
hand over to the sequencer, as if it had died between commit and hand-over, so that the serving processes' sweepers
sequence beside it. SIGTERM ends it after the transaction that is under way.
"""

from __future__ import annotations

import argparse
import signal
import time
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path

from tests.faults import bent

bent.set_up()

from django.db import InterfaceError, OperationalError, connection  # noqa: E402 - only after setup

from streaming import sequencer  # noqa: E402
from tests.acceptance.writers import Writer  # noqa: E402

AWAY = (OperationalError, InterfaceError)


class Steadfast(Writer):
    stopped = False

    def put_off(self, error: Exception) -> None:
        connection.close()
        while not self.stopped:
            try:
                connection.ensure_connection()
            except AWAY:
                connection.close()
                time.sleep(0.05)
            else:
                return

    def stop(self, *_: object) -> None:
        self.stopped = True

    def write(self, *, rate: float) -> None:
        """Write until told to stop, at most `rate` events a second."""
        due = time.monotonic()
        while not self.stopped:
            before = self.count
            self.turn()
            # What an outage has put off is not made up for by a burst.
            due = max(due + (self.count - before) / rate, time.monotonic() - 0.1)
            time.sleep(max(0.0, due - time.monotonic()))

    def burst(self, *, every: float) -> None:
        """Write a few transactions at each multiple of `every` seconds of the machine's clock, until told to stop."""
        while not self.stopped:
            time.sleep(every - time.monotonic() % every)
            for _ in range(4):
                self.turn()


def neglect(writer: Writer, share: float) -> None:
    """Have a writer forget what it committed, in some of its transactions."""
    real = sequencer.hand_over

    def hand_over(orgs: Iterable[str]) -> None:
        if writer.random.random() >= share:
            real(orgs)

    sequencer.hand_over = hand_over


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--journal", required=True)
    parser.add_argument("--writer", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--orgs", required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--negligent", type=float, default=0.0)
    parser.add_argument("--bursts", type=float, default=0.0, help="all write at once, every so many seconds")
    parser.add_argument("--wait", action="store_true", help="begin at SIGUSR1")
    options = parser.parse_args()
    writer = Steadfast(options.writer, options.orgs.split(","), seed=options.seed, steps=options.steps)
    signal.signal(signal.SIGTERM, writer.stop)
    neglect(writer, options.negligent)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    print("ready", flush=True)
    if options.wait:
        signal.sigwait({signal.SIGUSR1})
    with Path(options.journal).open("w") as journal, redirect_stdout(journal):
        if options.bursts:
            writer.burst(every=options.bursts)
        else:
            writer.write(rate=options.rate)


if __name__ == "__main__":
    main()
