"""Base of this project's commands: errors are one line on stderr, exit 1 for failed, 2 for bad usage or input."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError

from streaming import access, log
from streaming.core.cursor import Cursor


class BadInput(CommandError):
    """What was given cannot be used."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=2)


class OneLineParser(CommandParser):
    """Says what is wrong in one line, without the usage text."""

    def error(self, message: str) -> NoReturn:
        if self.called_from_command_line:
            ArgumentParser.exit(self, 2, f"{self.prog}: {message}\n")
        raise CommandError(f"Error: {message}")


class OneLineCommand(BaseCommand):
    """A command whose every failure is one line."""

    requires_system_checks: Any = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.__class__ = OneLineParser
        return parser

    def execute(self, *args: Any, **options: Any) -> str | None:
        if not getattr(self, "_called_from_command_line", False):
            return super().execute(*args, **options)
        try:
            return super().execute(*args, **options)
        except CommandError as error:
            self._exit(str(error), error.returncode)
        except (DatabaseError, InterfaceError) as error:
            self._exit(f"the database refused: {error}", 1)
        except BrokenPipeError:
            # The reader has seen enough; keep the interpreter from complaining when it flushes at exit.
            sys.stdout = None
            sys.exit(0)
        except KeyboardInterrupt:
            sys.exit(130)

    def _exit(self, message: str, code: int) -> NoReturn:
        sys.stderr.write(" ".join(message.split()) + "\n")
        sys.exit(code)


def org_key(text: str) -> str:
    """Return the key of the org that was named, by whatever the project calls its orgs."""
    key = access.current().find_org(text)
    if key is None:
        raise CommandError(f"There is no org {text!r}.")
    return key


def cursor_option(text: str | None) -> Cursor | None:
    """Read `--after`."""
    if text is None:
        return None
    cursor = Cursor.parse(text)
    if cursor is None:
        raise BadInput(f"--after is a cursor, as a stream or emit prints it, not {text!r}.")
    return cursor


def position_of(org: str, cursor: Cursor) -> int:
    """Return the sequence that a cursor names in an org's log, or say why it names none."""
    head = log.head(org)
    found = log.fingerprints([(org, cursor.sequence)]).get((org, cursor.sequence))
    reason = head.judge(cursor, found=found, reach=head.sequence)
    if reason is not None:
        raise CommandError(f"This cursor is not of this log any more ({reason.value}).")
    return cursor.sequence
