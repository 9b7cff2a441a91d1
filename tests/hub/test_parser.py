"""The hub's own way to read a stream beside the browser's EventSource, on the same bytes from a real server."""

from __future__ import annotations

import random
from typing import Any

import httpx
import pytest

from tests.acceptance import seeds
from tests.hub.stage import Stage

pytestmark = [pytest.mark.browser, pytest.mark.servers]

TYPES = ["message", "x", "change.detected", "error", "open", "žluť"]

READ = """async ([url, cuts, types]) => {
  const { openFetched } = await import("/static/streaming/fetched.js");
  const native = () => new Promise((resolve) => {
    const got = [];
    const source = new EventSource(url + "raw");
    const hear = (event) => "data" in event && got.push([event.type, event.data, event.lastEventId]);
    for (const type of types) source.addEventListener(type, hear);
    source.addEventListener("error", (event) => "data" in event || (source.close(), resolve(got)));
  });
  const own = (at) => new Promise((resolve) => {
    const got = [];
    let last = "";
    const onMessage = ({ type, data, id }) => {
      last = id ?? last;
      if (types.includes(type)) got.push([type, data, last]);
    };
    openFetched({ url: `${url}raw?at=${at}`, fetch, now: Date.now, onMessage, onEnd: () => resolve(got) });
  });
  return [await native(), await Promise.all(cuts.map(own))];
}"""

RULES = [
    "data: a\n\ndata: b\r\rdata: c\r\n\r\ndata: d\rdata: e\r\ndata: f\n\n",
    "data\n\ndata:\n\ndata\ndata\n\ndata:  two\n\ndata:none\n\n",
    "event: x\ndata: 1\n\ndata: 2\n\nevent: x\n\ndata: 3\n\nevent: x\nevent:\ndata: 4\n\n",
    "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\nid: 2\nid: n\0l\ndata: d\n\nid: 3\0\ndata: e\n\n",
    "retry: 10\nretry: soon\nretry: -1\nretry: 1.5\nretry:\ndata: a\n\n",
    ": comment\n:\n\nwat: x\n data: y\nDATA: z\ndata: b\n\n",
    "\ufeffdata: a\n\n\ufeffdata: b\n\ndata: c\n\n",
    "\ufeff\ufeffdata: a\n\ndata: b\n\n",
    "event: error\ndata: 1\n\nevent: open\ndata: 2\n\nevent: žluť\ndata: 日本 🦊 \u2028\u0085\n\n",
    "data: whole\n\ndata: not ended\n",
    "data: whole\n\nevent: x\ndata: not ended",
    "data:a:b: c\n\nevent:x:y\ndata: 1\n\nevent: x \ndata: 2\n\n",
]


async def compare(stage: Stage, streams: list[bytes], *, cuts: int, chance: random.Random) -> int:
    """Have both read each stream, ours in two pieces cut at several places; return how many events were compared."""
    page = await stage.context.new_page()
    await page.goto(f"{stage.server.url}/healthz")
    compared = 0
    async with httpx.AsyncClient() as client:
        for stream in streams:
            await client.post(f"{stage.server.url}/test/raw", json={"hex": stream.hex()})
            places = sorted(chance.sample(range(len(stream) + 1), min(cuts, len(stream) + 1)))
            told: Any = await page.evaluate(READ, [f"{stage.server.url}/test/", places, TYPES])
            native, ours = told
            for place, own in zip(places, ours, strict=True):
                assert own == native, f"{stream!r} cut at {place}"
            compared += len(native)
    return compared


def generated(chance: random.Random) -> bytes:
    """Return a stream of lines that mean something and lines that do not; an id always has data beside it."""
    values = ["", " ", "a", " b", ":", "žluť", "🦊", "x\ty", "\0", "\u2028", "0", "\ufeff"]
    ends = ["\n", "\r", "\r\n"]
    lines: list[str] = []
    for _ in range(chance.randrange(1, 8)):
        block = []
        for _ in range(chance.randrange(0, 5)):
            name = chance.choice(["data", "data", "event", "retry", "", "wat", "dat", " data", "Data"])
            block.append(name + chance.choice(["", ":", ": "]) + chance.choice(values) or ":")
        if chance.random() < 0.4:
            block += [f"id: {chance.choice(values)}", "data: with an id"]
        chance.shuffle(block)
        lines += [*block, ""]
    stream = "".join(line + chance.choice(ends) for line in lines)
    # Chromium overlooks a line end that follows the byte order mark at once, against the standard.
    return stream.removeprefix("\ufeff").encode()


async def test_every_field_rule_is_read_as_the_browser_reads_it_wherever_it_is_cut(stage: Stage) -> None:
    streams = [rule.encode() for rule in RULES]
    assert await compare(stage, streams, cuts=12, chance=random.Random(1)) == 29


async def test_generated_streams_are_read_as_the_browser_reads_them(stage: Stage) -> None:
    chance = random.Random(seeds.draw("streams"))
    streams = [generated(chance) for _ in range(60)]
    assert await compare(stage, streams, cuts=4, chance=chance) > 60


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_two_thousand_generated_streams_are_read_as_the_browser_reads_them(stage: Stage) -> None:
    chance = random.Random(seeds.draw("streams"))
    compared = await compare(stage, [generated(chance) for _ in range(2_000)], cuts=6, chance=chance)
    print(f"2000 streams, {compared} events compared at 6 cuts each")
    assert compared > 2_000
