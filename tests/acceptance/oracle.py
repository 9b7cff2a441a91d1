"""Who may see what, said a second time: independently of the engine, as a table of plain rules over plain values.

It also draws the cases: people with grants, entries with keys and audience, requests with scopes. Nothing of
`streaming` is imported here; what the engine calls a filter is here a chain of questions about one entry.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

TYPES = ("test.noted", "test.flagged", "test.ended")
PROJECTS = [f"prj_{number}" for number in range(6)]
DOCUMENTS = [f"doc_{number}" for number in range(6)]
TEAMS = ["legal", "finance", "security"]


@dataclass(frozen=True, kw_only=True)
class Person:
    """A user of one org; `member` is False for somebody whose token outlived the membership."""

    id: str
    org: str
    member: bool
    sees_everything: bool
    holds: frozenset[str]
    teams: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Item:
    """One entry: of what it is about, to whom it is addressed."""

    number: int
    org: str
    type: str
    resource: str
    belongs_to: frozenset[str]
    addressed_to: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a client asks for."""

    types: tuple[str, ...] = ()
    project: str = ""
    document: str = ""

    @property
    def query(self) -> dict[str, str]:
        asked = {"types": ",".join(self.types), "projectId": self.project, "documentId": self.document}
        return {name: value for name, value in asked.items() if value}


def is_refused(person: Person, ask: Ask) -> bool:
    if not person.member:
        return True
    if person.sees_everything:
        return False
    return any(asked and asked not in person.holds for asked in (ask.project, ask.document))


def sees(person: Person, ask: Ask, item: Item) -> bool:
    """Answer for one entry; the request as such is not refused."""
    if item.org != person.org:
        return False
    if not person.sees_everything:
        if item.belongs_to and not any(key in person.holds for key in item.belongs_to):
            return False
        named = {person.id, *person.teams}
        if item.addressed_to and not any(name in named for name in item.addressed_to):
            return False
    if ask.types and item.type not in ask.types:
        return False
    about = [item.resource, *item.belongs_to]
    if ask.project and ask.project not in about:
        return False
    if ask.document:
        return ask.document in about and item.type in ("test.flagged", "test.ended")
    return True


@dataclass
class Draw:
    """Draws cases from one seed."""

    random: random.Random
    numbers: int = field(default=0)

    def person(self, id: str, org: str) -> Person:
        chance = self.random.random
        return Person(
            id=id,
            org=org,
            member=chance() > 0.05,
            sees_everything=chance() < 0.1,
            holds=frozenset(one for one in (*PROJECTS, *DOCUMENTS) if chance() < 0.4),
            teams=frozenset(one for one in TEAMS if chance() < 0.3),
        )

    def item(self, org: str, people: list[Person]) -> Item:
        self.numbers += 1
        names = [*TEAMS, *(person.id for person in people if person.org == org)]
        return Item(
            number=self.numbers,
            org=org,
            type=self.random.choice(TYPES),
            resource=self.random.choice([*PROJECTS, *DOCUMENTS]),
            belongs_to=self._some([*PROJECTS, *DOCUMENTS], (0, 0, 1, 2, 3)),
            addressed_to=self._some(names, (0, 0, 0, 1, 2)),
        )

    def ask(self) -> Ask:
        chance = self.random.random
        return Ask(
            types=tuple(self._some(list(TYPES), (1, 2))) if chance() < 0.3 else (),
            project=self.random.choice(PROJECTS) if chance() < 0.4 else "",
            document=self.random.choice(DOCUMENTS) if chance() < 0.3 else "",
        )

    def _some(self, of: list[str], sizes: tuple[int, ...]) -> frozenset[str]:
        return frozenset(self.random.sample(of, self.random.choice(sizes)))
