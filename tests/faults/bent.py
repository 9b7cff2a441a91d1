"""Bends a process of the project before it begins, as the environment says; nothing in the project knows of this.

REDLINE_LAB_CLOCK=-150       its wall clock is so many seconds off (the monotonic one is not: it never is)
REDLINE_LAB_MUTANT=NAME      one of `tests.faults.mutants`: the project with one of its invariants broken
"""

from __future__ import annotations

import os
import time

import django
import time_machine

CLOCK = "REDLINE_LAB_CLOCK"
MUTANT = "REDLINE_LAB_MUTANT"


def set_up() -> None:
    """Set Django up, bent; to be called before anything of the project is imported."""
    if off := float(os.environ.get(CLOCK, "0")):
        time_machine.travel(time.time() + off, tick=True).start()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "redline.settings")
    django.setup()
    if name := os.environ.get(MUTANT):
        from tests.faults import mutants

        mutants.MUTANTS[name].break_it()
