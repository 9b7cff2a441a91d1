"""Rights that change while streams are open: each cause, from another process, while a third one never stops writing.

What is delivered is held against the log: nobody gets what lies behind the entry that took his right away, nobody
misses what lies behind the one that gave it, and whoever goes on misses nothing that was his all along.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Self

import pytest

from tests import services
from tests.acceptance import seeds
from tests.acceptance.causes import EXPIRED, TOLD, UNTOLD, Cause, Person, sign_out
from tests.acceptance.house import Clerk, told
from tests.acceptance.scene import UNLIMITED, Database
from tests.servers import Server, fresh_database, serve
from tests.sse_client import SSE
from tests.streaming.asgi.world import eventually

pytestmark = [pytest.mark.servers]

RATE = 60.0
"""Events that are committed a second, whatever else happens."""
SOON, AT_LAST = 1.0, 10.0
"""Seconds within which a stream follows: 19 of 20 times what the log tells, and everything always."""
LIVES = 8.0
"""Seconds that a token lives that is to expire while its stream is open."""
REGISTRAR = "tests.acceptance.registrar"


def sequence(cursor: str | None) -> int:
    return int((cursor or "").split(".")[1])


@dataclass(eq=False)
class Watch:
    """One person's stream, read to its end; by a new token after the old one has expired."""

    place: Place
    cause: Cause
    person: Person
    start: int = 0
    open: dict[int, float] = field(default_factory=dict)
    """When each event for everybody came, by its sequence."""
    hidden: dict[int, float] = field(default_factory=dict)
    reason: str = ""
    ended_at: float = math.inf
    acted_at: float = math.inf
    resumes: int = 0

    async def run(self) -> None:
        cursor = await self._read(self.person.headers)
        while self.reason == "auth_expired":
            self.resumes += 1
            cursor = await self._read({"Authorization": f"Bearer {self.person.spare}", "Last-Event-ID": cursor})

    async def _read(self, headers: dict[str, str]) -> str:
        async with SSE.open(self.place.url, headers=headers) as stream:
            assert stream.status == 200, await stream.body()
            async for block in stream:
                self._take(block)
            return stream.last_event_id

    def _take(self, block: Any) -> None:
        match block.event:
            case "stream.open" if not self.resumes:
                self.start = sequence(block.id)
            case "stream.closing":
                self.reason, self.ended_at = told(block)["reason"], block.at
            case "change.detected":
                came = self.hidden if told(block)["vendorId"] == "vnd_hidden" else self.open
                assert sequence(block.id) not in came, f"{self.cause.name}: {block.id} came twice"
                came[sequence(block.id)] = block.at

    @property
    def last(self) -> int:
        return max([self.start, *self.open, *self.hidden])

    def followed_at(self, entry: int) -> float:
        """Return when the stream was seen to have followed, infinite until then."""
        if self.cause.end == "expired":
            return self.ended_at if self.resumes and self.open and max(self.open.values()) > self.ended_at else math.inf
        if self.cause.end == "ended":
            return self.ended_at
        if self.cause.told:  # it has gone on behind the entry
            return min((at for number, at in {**self.open, **self.hidden}.items() if number > entry), default=math.inf)
        return self._narrowed_at()

    def _narrowed_at(self) -> float:
        """Return when the first event for everybody came that three others had come before without one hidden."""
        after = sorted(number for number, at in self.open.items() if at > self.acted_at)
        return min(
            (self.open[late] for early, late in zip(after, after[3:], strict=False) if not self._hid(early, late)),
            default=math.inf,
        )

    def _hid(self, early: int, late: int) -> bool:
        return any(early < number < late for number in self.hidden)

    def goes_on_at(self, at: float) -> bool:
        return any(came > at for came in self.open.values())

    def wrongly_got(self, entry: int) -> list[int]:
        """Return the sequences that came although they were not his any longer, or not yet."""
        match self.cause.end:
            case "ended":
                return [number for number in (*self.open, *self.hidden) if number > entry]
            case "narrowed":
                return [number for number in self.hidden if number > entry]
        return []

    def missed(self, log: dict[str, list[int]], entry: int) -> list[int]:
        """Return the sequences up to the last that came that were his and did not come."""
        his = [number for number in log["open"] if number not in self.open]
        if self.cause.end == "widened":
            his += [number for number in log["hidden"] if number > entry and number not in self.hidden]
        return [number for number in his if self.start < number < self.last]


class Place:
    """A server with a registrar and a writer; each test has an org of its own."""

    org: str

    def __init__(self, database: Database, *, workers: int = 1, env: dict[str, str] | None = None) -> None:
        self.redis = services.redis("revocation") if database == "postgres" else None
        url, channels = fresh_database(database), self.redis.channels_url if self.redis else None
        settings = {**UNLIMITED, **(env or {})}
        self._starting = serve("uvicorn", database_url=url, channels_url=channels, workers=workers, env=settings)
        self.registrar, self.writer = (Clerk(url, channels, module=REGISTRAR, env=env) for _ in range(2))

    def __enter__(self) -> Self:
        self.server: Server = self._starting.start()
        self.administrator: str = self.registrar.ask("administrator")
        for _ in range(10):  # what a worker loads for its first page is loaded then
            self.server.wait_until(lambda: self.server.answers("/sign-in"), within=30, what="a page")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            print(f"the server said last:\n{self.server.tail()}")
        self._starting.__exit__()
        self.registrar.close()
        self.writer.close()

    async def begin(self) -> None:
        """Make the org of a test."""
        self.org = (await self.registrar.org())["org"]
        self._written, self._seconds = 0, 0.0

    @property
    def url(self) -> str:
        return f"{self.server.url}/v1/stream"

    async def people(self, causes: Sequence[Cause]) -> list[Person]:
        wanted = [
            {"role": one.role, "lives": LIVES if one is EXPIRED else None, "by_cookie": one.by_cookie} for one in causes
        ]
        return [Person(**made) for made in await self.registrar.people(org=self.org, wanted=wanted)]

    async def writing(self, rate: float = RATE) -> None:
        """Write without end, so that each moment has events before and behind it."""
        while True:
            begun = asyncio.get_running_loop().time()
            self._written += await self.writer.chatter(org=self.org, rate=rate, seconds=0.5)
            self._seconds += asyncio.get_running_loop().time() - begun

    @property
    def rate(self) -> float:
        return self._written / self._seconds


@dataclass(frozen=True, kw_only=True)
class Outcome:
    cause: Cause
    seconds: float
    wrong: list[int]
    missed: list[int]


async def wave(place: Place, causes: Sequence[Cause], draw: random.Random) -> list[Outcome]:
    """Open a stream for each cause, bring them all about one after another, and hold what came against the log."""
    people = await place.people(causes)
    watches = [Watch(place, cause, person) for cause, person in zip(causes, people, strict=True)]
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(place.writing())
        reading = [group.create_task(watch.run()) for watch in watches]
        await eventually(lambda: all(watch.open for watch in watches), within=30)
        # Those first that only a round finds: it takes the longest.
        for watch in sorted(draw.sample(watches, len(watches)), key=lambda watch: watch.cause.told):
            await asyncio.sleep(draw.uniform(0, 0.1))
            watch.acted_at = await watch.cause.act(place, watch.person)
        entries = await _followed(place, watches)
        writing.cancel()
        log = await place.registrar.written(org=place.org)
        for task in reading:
            task.cancel()
    assert place.rate >= 50, f"only {place.rate:.0f} events a second were written"
    return [_outcome(watch, entries.get(watch.person.user, math.inf), log) for watch in watches]


async def _followed(place: Place, watches: Iterable[Watch]) -> dict[str, float]:
    """Wait until every stream has followed, or should have long ago; return at which sequence the log told of whom."""
    loop = asyncio.get_running_loop()
    while True:
        entries: dict[str, float] = await place.registrar.moved(org=place.org)
        late = [one for one in watches if one.followed_at(entries.get(one.person.user, math.inf)) == math.inf]
        if not late or all(loop.time() > one.acted_at + AT_LAST + 1 for one in late):
            return entries
        await asyncio.sleep(0.2)


def _outcome(watch: Watch, entry: float, log: dict[str, list[int]]) -> Outcome:
    expected = {"ended": "auth_revoked", "expired": "auth_expired", "narrowed": "", "widened": ""}[watch.cause.end]
    assert watch.reason == expected, f"{watch.cause.name}: {watch.reason or 'goes on'}"
    assert (entry < math.inf) is watch.cause.told, f"{watch.cause.name}: told at {entry}"
    return Outcome(
        cause=watch.cause,
        seconds=watch.followed_at(entry) - watch.acted_at,
        wrong=watch.wrongly_got(entry),
        missed=watch.missed(log, entry),
    )


def share(values: Iterable[float], of: float) -> float:
    """Return the smallest value that so many of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(of * len(ordered)) - 1, 0)]


def judge(name: str, outcomes: Sequence[Outcome], *, each: bool = False) -> None:
    """Print what was measured by cause, and hold it against the contract; `each` cause by itself, or all together."""
    print(f"\n{name:32}{'n':>4}{'p50':>8}{'p95':>8}{'max':>8}  events after  missed")
    by_cause: dict[Cause, list[Outcome]] = {}
    for one in outcomes:
        by_cause.setdefault(one.cause, []).append(one)
    for cause, some in by_cause.items():
        seconds = [one.seconds for one in some]
        wrong, missed = sum(len(one.wrong) for one in some), sum(len(one.missed) for one in some)
        figures = "".join(f"{value:8.3f}" for value in (share(seconds, 0.5), share(seconds, 0.95), max(seconds)))
        print(f"{cause.name:32}{len(some):4}{figures}{wrong if cause.told else '-':>14}{missed:8}")
    assert not [one for one in outcomes if one.wrong], "events were delivered behind the revocation"
    assert not [one for one in outcomes if one.missed], "events were lost"
    assert max(one.seconds for one in outcomes) <= AT_LAST
    told_of = [one for one in outcomes if one.cause.told]
    for some in by_cause.values() if each else [told_of]:
        soon = [one.seconds for one in some if one.cause.told]
        assert not soon or share(soon, 0.95) <= SOON, f"p95 {share(soon, 0.95):.2f} s of {some[0].cause.name}"


ALL = (*TOLD, EXPIRED, *UNTOLD)
NARROWED = next(one for one in TOLD if one.end == "narrowed")


@pytest.fixture(scope="module")
def embedded() -> Iterator[Place]:
    with Place("sqlite") as place:
        yield place


async def test_streams_follow_every_cause_on_sqlite(embedded: Place) -> None:
    draw = random.Random(seeds.draw("revocation"))
    await embedded.begin()
    judge("SQLite, in memory", await wave(embedded, (*TOLD, *ALL), draw))


async def test_streams_follow_what_the_log_tells_on_two_workers_with_redis_and_without() -> None:
    draw = random.Random(seeds.draw("revocation"))
    with Place("postgres", workers=2) as place:
        await place.begin()
        judge("PostgreSQL, 2 workers, Redis", await wave(place, TOLD * 2, draw))
        assert place.redis is not None
        place.redis.kill()
        judge("PostgreSQL, 2 workers, no Redis", await wave(place, TOLD * 2, draw))


WAVES, AT_ONCE = 5, 4


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "how", ["SQLite, in memory", "PostgreSQL, 2 workers, Redis", "PostgreSQL, 2 workers, no Redis"]
)
async def test_streams_follow_every_cause_twenty_times(how: str) -> None:
    draw = random.Random(seeds.draw("revocation"))
    on_sqlite = how.startswith("SQLite")
    with Place("sqlite" if on_sqlite else "postgres", workers=1 if on_sqlite else 2) as place:
        if place.redis is not None and how.endswith("no Redis"):
            place.redis.kill()
        outcomes: list[Outcome] = []
        for _ in range(WAVES):
            await place.begin()
            outcomes += await wave(place, ALL * AT_ONCE, draw)
        judge(how, outcomes, each=True)


@pytest.mark.long
@pytest.mark.parametrize("engine", ["cached_db", "cache"])
async def test_streams_follow_sessions_that_a_cache_keeps(engine: str) -> None:
    """Where no row is deleted nobody tells of a sign-out, and only a round finds it."""
    draw = random.Random(seeds.draw("revocation"))
    env = {
        "DJANGO_SETTINGS_MODULE": "tests.acceptance.sessions",
        "KEEP_SESSIONS_IN": engine,
        "CACHE_URL": services.redis("revocation").url,
    }
    some = [one for one in TOLD if one.by_cookie and one.name != "session deleted"]
    if engine == "cache":
        some = [replace(one, told=False) if one.act is sign_out else one for one in some]
    with Place("sqlite", env=env) as place:
        await place.begin()
        judge(f"Sessions in {engine}", await wave(place, some * 10, draw))


BEHIND, WIDTH = 5_000, 2_000


async def test_a_demotion_reaches_who_is_far_behind(embedded: Place) -> None:
    """A client that hardly reads: what is on its way to it is gone, and nothing else that it may not see is sent."""
    await embedded.begin()
    owner, member = await embedded.people([NARROWED, TOLD[0]])
    begin = await embedded.registrar.head(org=embedded.org)
    await embedded.registrar.burst(org=embedded.org, count=BEHIND, width=WIDTH)
    behind = {**owner.headers, "Last-Event-ID": begin}
    async with (
        SSE.open(embedded.url, headers=behind, receive_buffer=4096) as slow,
        SSE.open(embedded.url, headers=member.headers) as witness,
    ):
        await witness.until("stream.caught_up")
        await slow.next(event="change.detected")
        await embedded.registrar.appoint(org=embedded.org, user=owner.user, role="member")
        await embedded.registrar.burst(org=embedded.org, count=1, width=1)
        await witness.next(event="change.detected")  # by now this process knows of the demotion
        await slow.until("stream.caught_up", timeout=30)
    came = [told(block) for block in slow.blocks if block.event == "change.detected"]
    open_, hidden = (
        [int(one["headline"]) for one in came if one["vendorId"] == vendor] for vendor in ("vnd_open", "vnd_hidden")
    )
    print(f"{len(hidden)} of {BEHIND // 2} that were hidden from then on were on their way")
    assert open_[: BEHIND // 2] == list(range(1, BEHIND, 2))
    assert hidden == list(range(2, 2 * len(hidden) + 1, 2)), "something hidden came after something hidden did not"
    assert len(hidden) < 0.8 * BEHIND / 2


async def test_everybody_is_looked_at_again_and_nobody_misses_anything(embedded: Place) -> None:
    """200 streams of one org, held and let go five times while events come."""
    await embedded.begin()
    people = await embedded.people([TOLD[0]] * 20)
    watches = [Watch(embedded, TOLD[0], people[number % 20]) for number in range(200)]
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(embedded.writing(rate=20))
        reading = [group.create_task(watch.run()) for watch in watches]
        await eventually(lambda: all(watch.open for watch in watches), within=30)
        for _ in range(5):
            at = await embedded.registrar.look_at_everybody(org=embedded.org)
            await eventually(lambda at=at: all(watch.goes_on_at(at) for watch in watches), within=AT_LAST)
        writing.cancel()
        log = await embedded.registrar.written(org=embedded.org)
        for task in reading:
            task.cancel()
    pauses = [longest(watch.open.values()) for watch in watches]
    print(f"longest pause between two events: p50 {share(pauses, 0.5):.3f} s, longest {max(pauses):.3f} s")
    assert not [watch.reason for watch in watches if watch.reason]
    assert not [watch for watch in watches if watch.missed(log, math.inf)]
    assert max(pauses) < AT_LAST


def longest(moments: Iterable[float]) -> float:
    """Return the longest time between two of these moments."""
    return max(later - earlier for earlier, later in pairwise(sorted(moments)))
