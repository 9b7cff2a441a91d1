"""The base of Redline's management commands: every error is one line on stderr, and its kind is in the exit code.

0 done, 1 failed, 2 bad usage or input. No traceback for what a user can cause: a database that is away or not yet
migrated is one line too.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError


class BadInput(CommandError):
    """An argument that cannot be meant."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=2)


class Command(BaseCommand):
    """Override `run`; raise `CommandError` for what failed and `BadInput` for what was asked wrongly."""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        # argparse prints the whole usage before its error, which makes it two lines or more.
        parser.print_usage = lambda file=None: None  # type: ignore[method-assign]
        return parser

    def handle(self, *args: Any, **options: Any) -> str | None:
        try:
            return self.run(**options)
        except DatabaseError as error:
            raise CommandError(f"The database does not answer as it should: {_first_line(error)}") from None

    def run(self, **options: Any) -> str | None:
        raise NotImplementedError


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
