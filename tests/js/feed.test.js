import assert from "node:assert/strict";
import { test } from "node:test";

import { Feed } from "../../redline/dashboard/static/dashboard/feed.js";

class Source extends EventTarget {
  readyState = 0;

  constructor(url) {
    super();
    this.url = url;
  }

  close() {
    this.readyState = 2;
  }

  say(type, data, lastEventId = "") {
    const event = new Event(type);
    Object.assign(event, { data: JSON.stringify(data), lastEventId });
    this.dispatchEvent(event);
  }

  fail(readyState = 0) {
    this.readyState = readyState;
    this.dispatchEvent(new Event("error"));
  }
}

class Clock {
  time = 0;
  #due = new Map();
  #next = 1;

  now = () => this.time;
  set = (callback, wait) => {
    this.#due.set(this.#next, [this.time + wait, callback]);
    return this.#next++;
  };
  clear = (timer) => this.#due.delete(timer);

  async pass(milliseconds) {
    const end = this.time + milliseconds;
    await settled();
    for (;;) {
      const [timer, [at, callback]] = [...this.#due].sort(([, [a]], [, [b]]) => a - b)[0] ?? [null, [Infinity]];
      if (at > end) break;
      this.#due.delete(timer);
      this.time = at;
      callback();
      await settled();
    }
    this.time = end;
  }
}

const settled = async () => { for (let i = 0; i < 10; i += 1) await Promise.resolve(); };

function stage({ poll = async () => { throw { status: 0 }; }, online = () => true } = {}) {
  const at = { sources: [], events: [], fresh: 0, links: [], polls: [], clock: new Clock() };
  at.feed = new Feed({
    address: (cursor) => `/v1/stream?cursor=${cursor ?? ""}`,
    poll: (cursor) => (at.polls.push(cursor), poll(cursor)),
    onEvent: (event, { news }) => at.events.push([event.type, news]),
    onFresh: () => (at.fresh += 1),
    onLink: (link) => at.links.push(link.mode),
    makeSource: (url) => (at.sources.push(new Source(url)), at.sources.at(-1)),
    clock: at.clock,
    random: () => 1,
    isOnline: online,
  });
  Object.defineProperty(at, "source", { get: () => at.sources.at(-1) });
  at.open = (resume = "none") => {
    at.source.say("stream.open", { cursor: "e.1.x", resume, snapshot: false, heartbeat: 15 }, "e.1.x");
    at.source.say("stream.caught_up", { cursor: "e.1.x", replayed: 0 }, "e.1.x");
  };
  at.feed.start();
  return at;
}

const tick = { runId: "run_1", vendorId: "vnd_1", startedAt: "2026-01-01T00:00:00.000Z" };

test("it is live when it has caught up, and asks once for what it cannot know", () => {
  const at = stage();
  assert.equal(at.feed.link.mode, "connecting");
  at.open();
  assert.equal(at.feed.link.mode, "live");
  assert.equal(at.fresh, 1);
});

test("a resumed stream is news and needs no reading again", async () => {
  const at = stage();
  at.open();
  at.source.fail();
  await at.clock.pass(2_000);
  assert.equal(at.source.url, "/v1/stream?cursor=e.1.x");
  at.source.say("stream.open", { resume: "ok", heartbeat: 15 }, "e.1.x");
  at.source.say("scheduler.tick", tick, "e.2.x");
  at.source.say("stream.caught_up", { replayed: 1 }, "e.2.x");
  assert.deepEqual(at.events, [["scheduler.tick", true]]);
  assert.equal(at.fresh, 1);
});

test("what stands between reset and caught-up is state, and afterwards everything is read again", async () => {
  const at = stage();
  at.open();
  at.source.say("stream.closing", { reason: "rotated", reconnect: true, retryMs: 1_200 });
  await at.clock.pass(1_199);
  assert.equal(at.sources.length, 1);
  await at.clock.pass(1);
  at.source.say("stream.open", { resume: "reset", heartbeat: 15 });
  at.source.say("stream.reset", { reason: "truncated" });
  at.source.say("scheduler.tick", tick);
  at.source.say("stream.caught_up", { replayed: 1 }, "e.9.x");
  at.source.say("scheduler.tick", tick, "e.10.x");
  assert.deepEqual(at.events, [["scheduler.tick", false], ["scheduler.tick", true]]);
  assert.equal(at.fresh, 2);
});

test("a log that is replaced while one is live is read again", () => {
  const at = stage();
  at.open();
  at.source.say("stream.open", { resume: "ok", heartbeat: 15 }, "e.1.x");
  at.source.say("stream.caught_up", { replayed: 0 }, "e.1.x");
  assert.equal(at.fresh, 1);
  at.source.say("stream.reset", { reason: "epoch" });
  at.source.say("scheduler.tick", tick);
  at.source.say("stream.caught_up", { replayed: 1 }, "f.1.x");
  assert.equal(at.fresh, 2);
  assert.deepEqual(at.events, [["scheduler.tick", false]]);
});

test("an event that comes again after a reconnect is told once", async () => {
  const at = stage();
  at.open();
  at.source.say("scheduler.tick", tick, "e.2.x");
  at.source.fail();
  await at.clock.pass(2_000);
  at.source.say("stream.open", { resume: "ok", heartbeat: 15 }, "e.1.x");
  at.source.say("scheduler.tick", tick, "e.2.x");
  assert.equal(at.events.length, 1);
});

test("two and a half heartbeats of silence are a dead connection, one is not", async () => {
  const at = stage();
  at.open();
  await at.clock.pass(20_000);
  at.source.say("heartbeat", { now: "" });
  await at.clock.pass(37_499);
  assert.equal(at.feed.link.mode, "live");
  await at.clock.pass(1);
  assert.equal(at.feed.link.mode, "recovering");
  assert.equal(at.sources[0].readyState, 2);
});

test("a server that accepts and says nothing is given up after ten seconds", async () => {
  const at = stage();
  await at.clock.pass(10_000);
  assert.equal(at.feed.link.mode, "recovering");
  await at.clock.pass(2_000);
  assert.equal(at.sources.length, 2);
});

test("attempts are spaced ever further, to thirty seconds", async () => {
  const at = stage();
  const waits = [];
  for (let i = 0; i < 6; i += 1) {
    const begun = at.clock.time;
    at.source.fail(2);
    waits.push(at.feed.link.nextAt - begun);
    await at.clock.pass(waits.at(-1));
  }
  assert.deepEqual(waits, [2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
});

test("after the third failure it polls every two seconds, until the stream is back", async () => {
  const page = { events: [{ id: "e.5.x", event: "scheduler.tick", data: tick }], cursor: "e.5.x", hasMore: false };
  const at = stage({ poll: async (cursor) => (cursor === "e.5.x" ? { ...page, events: [] } : page) });
  at.open();
  at.source.fail();
  await at.clock.pass(2_000);
  at.source.fail();
  await at.clock.pass(4_000);
  assert.equal(at.polls.length, 0);
  at.source.fail();
  await at.clock.pass(4_500);
  assert.deepEqual(at.polls, ["e.1.x", "e.5.x", "e.5.x"]);
  assert.equal(at.feed.link.mode, "polling");
  assert.deepEqual(at.events, [["scheduler.tick", true]]);
  await at.clock.pass(3_500);
  assert.match(at.source.url, /cursor=e\.5\.x/);
  at.source.say("stream.open", { resume: "ok", heartbeat: 15 }, "e.5.x");
  at.source.say("stream.caught_up", { replayed: 0 }, "e.5.x");
  const polls = at.polls.length;
  await at.clock.pass(10_000);
  assert.equal(at.feed.link.mode, "live");
  assert.equal(at.polls.length, polls);
});

test("a cursor that has expired while polling is dropped, and everything read again", async () => {
  const at = stage({ poll: async (cursor) => { if (cursor) throw { status: 410 }; return { events: [], cursor: "e.9.x", hasMore: false }; } });
  at.open();
  for (const wait of [2_000, 4_000, 0]) {
    at.source.fail();
    await at.clock.pass(wait);
  }
  await at.clock.pass(2_000);
  assert.deepEqual(at.polls, ["e.1.x", null]);
  assert.equal(at.fresh, 2);
});

test("a refusal that EventSource hides is learned from the poll", async () => {
  for (const [status, reason] of [[401, "unauthenticated"], [403, "auth_revoked"]]) {
    const at = stage({ poll: async () => { throw { status }; } });
    at.source.fail(2);
    await settled();
    assert.equal(at.feed.link.mode, "stopped");
    assert.equal(at.feed.link.reason, reason);
    await at.clock.pass(60_000);
    assert.equal(at.sources.length, 1);
  }
});

test("a temporary refusal in-band is waited for as long as it says", async () => {
  const at = stage();
  at.source.say("stream.closing", { reason: "unavailable", reconnect: true, retryMs: 4_321 });
  assert.equal(at.feed.link.nextAt, 4_321);
  await at.clock.pass(4_321);
  assert.equal(at.sources.length, 2);
});

test("an end that is for good stays an end", async () => {
  const at = stage();
  at.open();
  at.source.say("stream.closing", { reason: "superseded", reconnect: false, retryMs: 0 });
  at.source.fail(2);
  at.feed.wake();
  await at.clock.pass(120_000);
  assert.equal(at.sources.length, 1);
  assert.equal(at.feed.link.mode, "stopped");
  assert.equal(at.feed.link.reason, "superseded");
});

test("without a network it waits for it, and goes on where it was", async () => {
  let online = true;
  const at = stage({ online: () => online });
  at.open();
  online = false;
  at.feed.sleep();
  assert.equal(at.feed.link.mode, "offline");
  await at.clock.pass(120_000);
  assert.equal(at.sources.length, 1);
  online = true;
  at.feed.wake();
  assert.equal(at.sources.length, 2);
  assert.match(at.source.url, /cursor=e\.1\.x/);
});

test("a source that was given up is not heard any more", async () => {
  const at = stage();
  at.open();
  const old = at.source;
  old.fail();
  await at.clock.pass(2_000);
  old.say("scheduler.tick", tick, "e.2.x");
  old.fail();
  assert.deepEqual(at.events, []);
  assert.equal(at.sources.length, 2);
});
