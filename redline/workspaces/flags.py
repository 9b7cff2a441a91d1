"""Feature flags: what the settings say, unless the database says otherwise, for everybody, some orgs or all but some.

A flag's rows in the database (the admin's *flag states*) add to its setting: `boolean` replaces it, for everybody;
`org` has it on for that one, `except org` off, whatever else holds. An org is named by slug or id.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Any

from flags.conditions import register
from flags.sources import DatabaseFlagsSource, Flag, SettingsFlagsSource, get_flags

from redline.workspaces import selectors


class Name(enum.StrEnum):
    EVENT_STREAM = "ENABLE_EVENT_STREAM"
    """The server streams the workspace feed; off, it can be polled."""
    SSE_HUB = "ENABLE_SSE_HUB"
    """The pages of that feed stream it; off, they poll."""


class Condition(enum.StrEnum):
    EVERYBODY = "boolean"
    ORG = "org"
    EXCEPT_ORG = "except org"


class Source:
    """Where django-flags finds the flags (FLAG_SOURCES)."""

    def get_flags(self) -> dict[str, list[Any]]:
        rows = {name: _usable(conditions) for name, conditions in DatabaseFlagsSource().get_flags().items()}
        of_orgs = [one for conditions in rows.values() for one in conditions if one.condition != Condition.EVERYBODY]
        orgs = selectors.ids_of_orgs({one.value for one in of_orgs}) if of_orgs else {}
        for one in of_orgs:
            one.value = orgs.get(one.value)
        settings = SettingsFlagsSource().get_flags()
        return settings | {name: _upon(settings.get(name, []), own) for name, own in rows.items()}


def _upon(setting: list[Any], rows: list[Any]) -> list[Any]:
    """Return the conditions of a flag: its rows, and its setting where no row says what holds for everybody."""
    return rows if any(one.condition == Condition.EVERYBODY for one in rows) else [*setting, *rows]


def _usable(conditions: Collection[Any]) -> list[Any]:
    """Return the conditions that mean something here; those that ask for a request hold for nobody."""
    usable = [one for one in conditions if one.condition in set(Condition)]
    for one in usable:
        one.required = one.condition == Condition.EXCEPT_ORG
    return usable


def is_on(name: Name, org: str | None) -> bool:
    """Say whether a flag is on for an org; None is a user of no org."""
    return are_on(name, [org])[0]


def are_on(name: Name, orgs: Collection[str | None]) -> list[bool]:
    """Answer for many orgs, in their order, by one look at the database."""
    flag = get_flags().get(name) or Flag(name)
    return [bool(flag.check_state(org=org)) for org in orgs]


def check_org(text: str) -> None:
    """Refuse what names no org."""
    if selectors.find_org(text) is None:
        raise ValueError(f"There is no org {text[:60]!r}.")


@register(Condition.ORG, validator=check_org)
def _is_org(chosen: str | None, org: str | None = None, **_: object) -> bool:
    return org is not None and org == chosen


@register(Condition.EXCEPT_ORG, validator=check_org)
def _is_another_org(chosen: str | None, org: str | None = None, **_: object) -> bool:
    return org != chosen or org is None
