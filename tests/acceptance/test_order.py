"""Order and no loss, end to end: writers as processes, real servers, clients that are cut; one checker judges."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from datetime import datetime

import pytest

from tests.acceptance import seeds
from tests.acceptance.history import (
    Anomaly,
    Event,
    History,
    Seen,
    Write,
    check,
    words,
)
from tests.acceptance.scene import UNLIMITED, Database, Follower, Following, Scene
from tests.processes import wait_until
from tests.servers import Kind, serve

TOLD = 20
"""Anomalies that a failure shows."""


def judge(history: History) -> None:
    anomalies = check(history)
    assert not anomalies, told(anomalies)


def told(anomalies: list[Anomaly]) -> str:
    shown = "\n".join(f"{one.word}: {one.sentence}" for one in anomalies[:TOLD])
    return f"{len(anomalies)} anomalies: {sorted(words(anomalies))}\n{shown}"


# -- the whole, end to end -------------------------------------------------------------------------------------------


async def lived_through(
    database: Database, kind: Kind, *, events: int, writers: int, orgs: int, clients: int, seed: int
) -> History:
    """Have writers write while clients connect, are cut and resume; return what happened."""
    history = History()
    scene = await asyncio.to_thread(lambda: Scene.on(database).prepared(orgs=orgs))
    async with serve(kind, database_url=scene.database_url, channels_url=scene.channels_url, env=UNLIMITED) as server:
        followers = [
            Follower(server.url, member, history, seed=f"{seed}/{member.org}/{number}", patience=5 + 20 * number)
            for member in scene.members
            for number in range(clients)
        ]
        async with Following(server, followers) as following:
            await scene.write(history, writers=writers, events=events, seed=seed)
            await following.to_the_end(await scene.settled(), within=20)
        resumes = sum(follower.connects - 1 for follower in followers)
    print(
        f"{kind}, {database}: {history.committed} committed, {history.aborted} rolled back,"
        f" {history.observed} seen by {len(followers)} clients, {resumes} resumes"
    )
    assert resumes >= len(followers)
    assert history.committed >= events
    assert history.aborted >= events // 20
    return history


COMBINATIONS = [("sqlite", "daphne"), ("sqlite", "uvicorn"), ("postgres", "daphne"), ("postgres", "uvicorn")]


@pytest.mark.servers
@pytest.mark.parametrize(("database", "kind"), [COMBINATIONS[0], COMBINATIONS[3]])
async def test_a_thousand_events_reach_clients_that_are_cut_and_resume(database: Database, kind: Kind) -> None:
    seed = seeds.draw("a thousand events")
    history = await lived_through(database, kind, events=1_000, writers=3, orgs=2, clients=4, seed=seed)
    judge(history)
    assert alternating(history)


@pytest.mark.long
@pytest.mark.servers
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("database", "kind"), COMBINATIONS)
async def test_ten_thousand_events_of_eight_writers_reach_everybody_once_and_in_order(
    database: Database, kind: Kind
) -> None:
    seed = seeds.draw("ten thousand events")
    history = await lived_through(database, kind, events=10_000, writers=8, orgs=4, clients=6, seed=seed)
    judge(history)
    assert alternating(history)


def alternating(history: History) -> bool:
    """Say whether the flips of each org's shared row, by all writers, came in the order in which they were made."""
    for org in {reader.org for reader in history.readers}:
        flips = sorted(
            {
                one
                for reader in history.readers
                if reader.org == org
                for connection in reader.connections
                for one in connection.seen
                if one.identity.startswith("org.entitlements.changed")
            }
        )
        flags = [flip.identity.rpartition(":")[2] for flip in flips]
        if len(flags) < 5 or flags != [["True", "False"][number % 2] for number in range(len(flags))]:
            return False
    return True


# -- many who connect while it goes on -------------------------------------------------------------------------------


async def crowd(clients: int, *, seconds: float, seed: int) -> History:
    """Let clients come with cursors drawn from the last 500 events while 500 a second are written."""
    history = History()
    scene = await asyncio.to_thread(lambda: Scene.on("sqlite").prepared(orgs=1))
    member = scene.members[0]
    async with (
        serve("uvicorn", database_url=scene.database_url, env=UNLIMITED) as server,
        Following(server) as following,
    ):
        await scene.write(history, writers=1, events=500, seed=seed, steps=12)
        before = scene.heads()[member.org][1]
        writing = asyncio.create_task(
            scene.write(history, writers=2, events=round(500 * seconds), seed=seed + 1, rate=500, first=1, steps=12)
        )
        await asyncio.to_thread(
            wait_until, lambda: scene.heads()[member.org][1] > before, within=20, what="the writers write"
        )
        await arrive(following, scene, history, clients=clients, seconds=seconds, draw=random.Random(seed))
        await writing
        print(f"{rate(scene, after=before):.0f} events a second")
        await following.to_the_end(await scene.settled(), within=60)
    print(f"{clients} clients, {history.observed} events seen")
    return history


async def arrive(
    following: Following, scene: Scene, history: History, *, clients: int, seconds: float, draw: random.Random
) -> None:
    """Let clients connect in 30 groups, spread over the time, each with a cursor of its own."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for group in range(30):
        cursors = await asyncio.to_thread(scene.cursors, scene.members[0].org, 500)
        following.add(
            Follower(following.url, scene.members[0], history, seed=f"client {number}", cursor=draw.choice(cursors))
            for number in range(group, clients, 30)
        )
        await following.connected()
        await asyncio.sleep(max(0.0, begun + seconds * (group + 1) / 30 - loop.time()))


def rate(scene: Scene, *, after: int) -> float:
    """Return the events per second behind a position, as their own times tell."""
    sql = "SELECT count(*), min(emitted_at), max(emitted_at) FROM streaming_logentry WHERE sequence > "
    ((count, first, last),) = scene.rows(f"{sql}{after}")
    return float(count) / (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


@pytest.mark.servers
async def test_80_clients_connect_with_random_cursors_during_500_events_a_second() -> None:
    judge(await crowd(80, seconds=1, seed=seeds.draw("crowd of 80")))


@pytest.mark.long
@pytest.mark.servers
@pytest.mark.timeout(600)
async def test_a_thousand_clients_connect_with_random_cursors_during_500_events_a_second() -> None:
    judge(await crowd(1_000, seconds=8, seed=seeds.draw("crowd of 1000")))


# -- a reader that is wrong on purpose -------------------------------------------------------------------------------


async def read_the_table(scene: Scene, writing: asyncio.Task[None], *, by: str) -> list[int]:
    """Follow the log by SQL, by `sequence` or by `id`, until the writers are done; return the ids in their order."""
    found: list[int] = []
    position, last_look = 0, False
    while True:
        where = f"{by} > {position} AND org = '{scene.members[0].org}'"
        rows = await asyncio.to_thread(
            scene.rows, f"SELECT {by}, id FROM streaming_logentry WHERE {where} ORDER BY {by}"
        )
        found += [row[1] for row in rows]
        position = rows[-1][0] if rows else position
        if last_look:
            return found
        last_look = writing.done() and not await asyncio.to_thread(scene.waiting)


@pytest.mark.servers
async def test_a_reader_that_follows_ids_loses_events_and_one_that_follows_sequences_does_not() -> None:
    seed = seeds.draw("mutant reader")
    scene = await asyncio.to_thread(lambda: Scene.on("postgres").prepared(orgs=1))
    history = History()
    writing = asyncio.create_task(scene.write(history, writers=4, events=300, seed=seed))
    by_id, by_sequence = await asyncio.gather(
        read_the_table(scene, writing, by="id"), read_the_table(scene, writing, by="sequence")
    )
    await writing
    assert words(check(seen_by(scene, history, by_sequence))) == set()
    anomalies = check(seen_by(scene, history, by_id))
    assert "lost" in words(anomalies), "reading by id has to lose what commits late"
    print(f"by id: {sum(one.word == 'lost' for one in anomalies)} of {history.committed} lost")


def seen_by(scene: Scene, history: History, ids: list[int]) -> History:
    """Return the history with one reader, who got the rows of these ids in this order."""
    org = scene.members[0].org
    rows = scene.rows("SELECT id, sequence, uid, type, data FROM streaming_logentry")
    told = History()
    told.writes = history.writes
    reader = told.reader("the table's reader", org, start=0)
    reader.end = scene.heads()[org][1]
    by_id = {row[0]: row for row in rows}
    connection = reader.begin(0)
    for one in ids:
        _, sequence, uid, kind, data = by_id[one]
        connection.seen.append(told.seen(f"epoch.{sequence}.{str(uid)[:8]}", kind, data))
    return told


# -- the checker itself ----------------------------------------------------------------------------------------------


def small() -> History:
    """Return a history without fault: two orgs, three readers, one of them resumed, one rolled back transaction."""
    history = History()
    for number in range(1, 7):
        events = (Event("org_a", f"a{number}"), Event("org_b", f"b{number}"))
        history.writes.append(Write(writer=0, number=number, committed=True, events=events))
    history.writes.append(Write(writer=0, number=7, committed=False, events=(Event("org_a", "a7"),)))
    for name, org in (("first", "org_a"), ("second", "org_a"), ("other", "org_b")):
        reader = history.reader(name, org, start=0)
        reader.end = 6
        letter = org[-1]
        log = [Seen(number, f"{number:08x}", f"{letter}{number}") for number in range(1, 7)]
        if name == "second":
            reader.begin(0).seen.extend(log[:4])
            reader.begin(3).seen.extend(log[3:])
        else:
            reader.begin(0).seen.extend(log)
    return history


def first(history: History) -> list[Seen]:
    return history.readers[0].connections[0].seen


def drop(history: History) -> None:
    del first(history)[2]


def drop_the_last(history: History) -> None:
    del first(history)[-1]


def drop_for_all(history: History) -> None:
    for reader in history.readers[:2]:
        for connection in reader.connections:
            connection.seen[:] = [one for one in connection.seen if one.identity != "a6"]


def double(history: History) -> None:
    first(history).insert(3, first(history)[2])


def swap(history: History) -> None:
    seen = first(history)
    seen[2], seen[3] = seen[3], seen[2]


def from_another_org(history: History) -> None:
    first(history).insert(3, Seen(4, "00000004", "b4"))


def rolled_back(history: History) -> None:
    first(history).append(Seen(7, "00000007", "a7"))


def from_nowhere(history: History) -> None:
    first(history).append(Seen(7, "00000007", "never written"))


def jump(history: History) -> None:
    del history.readers[1].connections[0].seen[1]
    history.readers[1].connections[1].after = 1
    history.readers[1].connections[1].seen.insert(0, Seen(3, "00000003", "a3"))
    history.readers[1].connections[1].seen.insert(0, Seen(2, "00000002", "a2"))


def resume_too_early(history: History) -> None:
    history.readers[1].connections[1].after = 4


def another_place(history: History) -> None:
    seen = history.readers[1].connections[0].seen
    seen[1], seen[2] = Seen(2, "00000003", "a3"), Seen(3, "00000002", "a2")


def another_fingerprint(history: History) -> None:
    history.readers[1].connections[0].seen[2] = Seen(3, "deadbeef", "a3")


def effect_before_cause(history: History) -> None:
    history.writes[2], history.writes[4] = (
        replace(history.writes[2], number=5),
        replace(history.writes[4], number=3),
    )


@pytest.mark.parametrize(
    ("mutate", "word"),
    [
        (drop, "lost"),
        (drop_the_last, "lost"),
        (drop_for_all, "lost"),
        (double, "duplicate"),
        (swap, "nonmonotonic"),
        (resume_too_early, "nonmonotonic"),
        (effect_before_cause, "nonmonotonic"),
        (from_another_org, "cross-org"),
        (rolled_back, "aborted-read"),
        (from_nowhere, "aborted-read"),
        (jump, "skip"),
        (another_place, "inconsistent-seq"),
        (another_fingerprint, "inconsistent-seq"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_checker_calls_each_fault_by_its_name_and_by_no_other(mutate: object, word: str) -> None:
    history = small()
    assert check(history) == []
    mutate(history)  # type: ignore[operator]
    assert words(check(history)) == {word}
