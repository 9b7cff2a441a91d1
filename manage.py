#!/usr/bin/env python
"""Run a management command; a bad environment variable, or a database that is away, ends it with one line."""

from __future__ import annotations

import os
import sys

POOLED = {"check", "serve"}
"""The commands that are to see the pool that servers have. For the others it would hide why a database is away."""


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "redline.settings")
    if not POOLED & set(sys.argv[1:2]):
        os.environ["DATABASE_POOL_SIZE"] = "0"
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    try:
        settings.INSTALLED_APPS  # noqa: B018 - loads the settings, so that their errors surface here
    except ImproperlyConfigured as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(2)
    try:
        execute_from_command_line(sys.argv)
    except OperationalError as error:
        if "--traceback" in sys.argv:
            raise
        sys.stderr.write(f"the database refused: {' '.join(str(error).split())}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
