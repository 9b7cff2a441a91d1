// What a hub does when its server does not behave: back-off, degraded, the fallback, dead connections, no network.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createHub, healthWords } from "../../streaming/static/streaming/hub.js";
import { cursor, environment, fetcher, settled } from "./fakes.js";

const page = (numbers, { next = numbers.at(-1) ?? 1, hasMore = false } = {}) => ({
  events: numbers.map((n) => ({ id: cursor(n), event: "tick", data: { n } })),
  cursor: cursor(next),
  hasMore,
});
const refused = (status, details = {}, headers = {}) => ({ status, headers, error: { code: "…", message: "…", details } });
const isPoll = ({ url }) => url.pathname.endsWith("/poll");

/** A hub whose polls and HEADs are answered by `answer`; `null` is a server that is not there. */
async function stage({ answer = () => null, ...options } = {}, world = {}) {
  const at = environment({ fetch: fetcher((request) => answer(request)), ...world });
  at.events = [];
  at.records = [];
  at.resets = [];
  at.fresh = 0;
  at.hub = createHub({ url: "/v1/stream", ...options }, at.env);
  at.hub.onHealth((record) => at.records.push(record));
  at.hub.onReset((reason) => at.resets.push(reason));
  at.hub.subscribe("tick", ({ data, news }) => at.events.push(news ? data.n : `state ${data.n}`), { onFresh: () => (at.fresh += 1) });
  at.hub.start();
  await settled();
  Object.defineProperty(at, "polls", { get: () => at.fetch.asked.filter(isPoll) });
  at.statuses = () => at.records.map(({ status }) => status).filter((status, index, all) => status !== all[index - 1]);
  return at;
}

async function live(options, world) {
  const at = await stage(options, world);
  at.source.open({ cursor: cursor(1) });
  at.source.caughtUp(cursor(1));
  at.clock.time += 1_000; // it has lasted
  at.records.length = 0;
  return at;
}

test("attempts are spaced ever further, to thirty seconds, and health says when", async () => {
  const at = await live({ fallback: false });
  const waits = [];
  at.source.fail();
  for (let attempt = 1; attempt <= 6; attempt += 1) {
    await settled();
    assert.equal(at.hub.health.retryAttempt, attempt);
    waits.push(at.hub.health.nextAttemptAt - at.clock.time);
    await at.clock.pass(waits.at(-1));
    at.source.fail();
  }
  assert.deepEqual(waits, [4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

test("five seconds without an open stream are degraded, and the first poll goes out at that moment", async () => {
  const at = await live({ answer: () => page([2, 3]) });
  at.source.fail();
  await at.clock.pass(4_999);
  assert.deepEqual([at.statuses(), at.polls.length], [["recovering"], 0]);
  await at.clock.pass(1);
  assert.deepEqual([at.statuses(), at.polls.length], [["recovering", "degraded"], 1]);
  assert.deepEqual(Object.fromEntries(at.polls[0].url.searchParams), { types: "tick", limit: "500", after: cursor(1) });
  assert.equal(at.polls[0].credentials, "same-origin");
  assert.deepEqual([at.events, at.hub.health.fallbackActive], [[2, 3], true]);
  await at.clock.pass(2_000);
  assert.equal(at.polls[1].url.searchParams.get("after"), cursor(3));
  assert.deepEqual(at.events, [2, 3], "what a poll repeats is told once");
});

test("a stream that cannot be had at all is degraded as soon", async () => {
  const at = await stage({ answer: () => page([], { next: 9 }) });
  await at.clock.pass(5_000);
  assert.equal(at.hub.health.status, "degraded");
  assert.equal(at.polls[0].url.searchParams.has("after"), false, "first where the end is");
  assert.equal(at.fresh, 1, "then the page reads");
});

test("five failures in a row are degraded, if that comes first", async () => {
  const at = await live({}, { random: () => 0 });
  at.source.fail();
  for (let failure = 1; failure <= 5; failure += 1) {
    assert.equal(at.hub.health.status, "recovering", `after ${failure - 1} failures`);
    await at.clock.pass(500);
    at.source.fail();
    await settled();
  }
  assert.equal(at.hub.health.status, "degraded");
  assert.equal(at.polls.length, 1);
});

test("polling stops with stream.open, and a poll that is answered later is nobody's", async () => {
  let answer;
  const at = await live({ answer: () => new Promise((resolve) => (answer = () => resolve(page([2])))) });
  at.source.fail();
  await at.clock.pass(5_000);
  at.source.open({ cursor: cursor(1), resume: "ok" });
  assert.deepEqual([at.hub.health.status, at.hub.health.fallbackActive], ["healthy", false]);
  answer();
  await settled();
  assert.deepEqual(at.events, []);
  at.source.say("tick", { n: 2 }, cursor(2));
  await at.clock.pass(10_000);
  assert.deepEqual([at.events, at.polls.length], [[2], 1]);
});

test("a stream that was asked for before the polls moved on repeats nothing", async () => {
  const at = await live({ answer: () => page([2, 3]) });
  at.source.fail();
  await at.clock.pass(5_000);
  assert.deepEqual(at.events, [2, 3]);
  assert.equal(at.source.url.searchParams.get("lastEventId"), cursor(1));
  at.source.open({ cursor: cursor(1), resume: "ok" });
  for (const n of [2, 3, 4]) at.source.say("tick", { n }, cursor(n));
  assert.deepEqual(at.events, [2, 3, 4]);
});

test("pages follow each other at once while there is more", async () => {
  const pages = [page([2, 3], { hasMore: true }), page([], { next: 7, hasMore: true }), page([8])];
  const at = await live({ answer: () => pages.shift() ?? page([]) });
  at.source.fail();
  await at.clock.pass(5_000);
  assert.deepEqual(at.events, [2, 3, 8]);
  assert.deepEqual(at.polls.map(({ url }) => url.searchParams.get("after")), [cursor(1), cursor(3), cursor(7)]);
});

test("a cursor that has expired: first the end, then the state, then on from that end", async () => {
  const asked = [];
  const at = await live({
    answer: ({ url }) => {
      asked.push(url.searchParams.get("after"));
      return asked.length === 1 ? refused(410, { reason: "truncated" }) : page([], { next: 40 });
    },
    fallback: { snapshot: async () => (asked.push("state"), [{ type: "tick", data: { n: 39 } }]) },
  });
  at.source.fail();
  await at.clock.pass(7_000);
  assert.deepEqual(asked, [cursor(1), null, "state", cursor(40)]);
  assert.deepEqual([at.resets, at.events, at.fresh], [["truncated"], ["state 39"], 2]);
});

test("a page may poll in its own way and at its own pace", async () => {
  const polled = [];
  const at = await live({ fallback: { poll: async (from) => void polled.push([from, at.clock.time]), every: 700 } });
  const begun = at.clock.time;
  at.source.fail();
  await at.clock.pass(6_400);
  assert.deepEqual(polled.map(([from, time]) => [from, time - begun]), [[cursor(1), 5_000], [cursor(1), 5_700], [cursor(1), 6_400]]);
  assert.equal(at.polls.length, 0);
});

test("without a fallback it is degraded all the same, and asks nothing", async () => {
  const at = await live({ fallback: false });
  at.source.fail();
  await at.clock.pass(5_000);
  assert.deepEqual([at.hub.health.status, at.hub.health.fallbackActive, at.polls.length], ["degraded", false, 0]);
});

test("when polls find the server back, the stream is tried soon instead of after the whole pause", async () => {
  let isUp = false;
  const at = await live({ answer: () => (isUp ? page([]) : null) });
  at.source.fail();
  for (const wait of [4_000, 8_000, 16_000]) {
    await at.clock.pass(wait);
    at.source.fail();
    await settled();
  }
  assert.ok(at.hub.health.nextAttemptAt - at.clock.time > 25_000);
  isUp = true;
  const before = at.sources.length;
  await at.clock.pass(4_000);
  assert.equal(at.sources.length, before + 1);
  at.source.fail();
  await at.clock.pass(20_000);
  assert.equal(at.sources.length, before + 1, "hurrying did not help, so the long pause holds");
});

test("after a healthy minute a loss is a first one again", async () => {
  const at = await live({ fallback: false });
  at.source.fail();
  await at.clock.pass(4_000);
  at.source.open({ cursor: cursor(1), resume: "ok" });
  at.clock.time += 60_000;
  at.source.fail();
  assert.equal(at.hub.health.nextAttemptAt - at.clock.time, 4_000);
});

test("another interest while it waits is asked for with the next attempt, not before", async () => {
  const at = await live({ fallback: false });
  at.source.fail();
  at.hub.subscribe("tock", () => {});
  await at.clock.pass(3_999);
  assert.equal(at.sources.length, 1);
  await at.clock.pass(1);
  assert.equal(at.source.url.searchParams.get("types"), "tick,tock");
});

test("three streams that die within a second are cut by somebody: polls, and the next has to last", async () => {
  const at = await live({ answer: () => page([]) }, { random: () => 0 });
  at.source.fail();
  for (let death = 1; death <= 3; death += 1) {
    assert.equal(at.polls.length, 0);
    await at.clock.pass(500);
    at.source.open({ cursor: cursor(1), resume: "ok" });
    await at.clock.pass(300);
    at.source.fail();
    await settled();
  }
  assert.deepEqual([at.hub.health.status, at.polls.length], ["degraded", 1]);
  await at.clock.pass(500);
  at.source.open({ cursor: cursor(1), resume: "ok" });
  assert.deepEqual([at.hub.health.status, at.hub.health.fallbackActive], ["degraded", false], "one source at a time");
  at.source.fail();
  await settled();
  assert.deepEqual([at.hub.health.fallbackActive, at.polls.length], [true, 2]);
  await at.clock.pass(500);
  at.source.open({ cursor: cursor(1), resume: "ok" });
  await at.clock.pass(1_000);
  assert.equal(at.hub.health.status, "healthy");
});

test("a goodbye is waited for as long as it says", async () => {
  const at = await live();
  at.source.closing({ reason: "shutdown", retryMs: 4_321 });
  await at.clock.pass(4_320);
  assert.equal(at.sources.length, 1);
  await at.clock.pass(1);
  assert.equal(at.sources.length, 2);
});

test("a dead connection is replaced at once, for it has been waited for long enough", async () => {
  const at = await live();
  await at.clock.pass(37_500);
  await settled();
  await at.clock.pass(0);
  assert.equal(at.sources.length, 2);
  assert.ok(at.sources[0].isClosed);
});

for (const [status, reason] of [[401, "unauthenticated"], [403, "forbidden"], [404, "not-found"]]) {
  test(`a ${status} that EventSource hides is asked for, and is the end`, async () => {
    const at = await stage({ answer: () => refused(status) });
    at.source.fail(2);
    await settled();
    assert.deepEqual([at.fetch.asked[0].method, at.fetch.asked[0].url.href], ["HEAD", at.source.url.href.replace("&refusal=stream", "")]);
    assert.equal(at.hub.health.stopped, reason);
    await at.clock.pass(120_000);
    assert.deepEqual([at.sources.length, at.polls.length], [1, 0]);
  });
}

test("a refusal that will pass is waited for as long as it asks", async () => {
  const at = await stage({ answer: () => refused(503, {}, { "Retry-After": "7" }) });
  at.source.fail(2);
  await settled();
  assert.deepEqual([at.hub.health.nextAttemptAt - at.clock.time, at.hub.health.refusal], [7_000, 503]);
  await at.clock.pass(7_000);
  assert.equal(at.sources.length, 2);
});

test("an end that is for good stays one", async () => {
  const at = await live();
  at.source.closing({ reason: "auth_revoked", reconnect: false });
  at.window.dispatchEvent(new Event("online"));
  await at.clock.pass(120_000);
  assert.deepEqual([at.hub.health.stopped, at.sources.length, at.clock.waiting], ["auth_revoked", 1, 0]);
});

test("a feed that is switched off may be switched on again: it polls, and looks", async () => {
  const at = await live({ fallback: { poll: async () => {} } });
  at.source.closing({ reason: "disabled", reconnect: false, retryMs: 2_000 });
  await at.clock.pass(5_000);
  assert.deepEqual([at.hub.health.stopped, at.hub.health.fallbackActive], [null, true]);
  at.source.open({ cursor: cursor(1), resume: "ok" });
  assert.equal(at.hub.health.status, "healthy");
});

test("a poll that is no longer allowed ends it as well", async () => {
  const at = await live({ answer: () => refused(401) });
  at.source.fail();
  await at.clock.pass(5_000);
  assert.equal(at.hub.health.stopped, "unauthenticated");
});

test("without a network nothing is tried, and with it everything at once", async () => {
  const at = await live({ answer: () => page([2]) });
  at.online = false;
  at.window.dispatchEvent(new Event("offline"));
  assert.deepEqual([at.hub.health.online, at.hub.health.status, at.open.length], [false, "recovering", 0]);
  await at.clock.pass(60_000);
  assert.deepEqual([at.hub.health.status, at.hub.health.fallbackActive, at.sources.length, at.polls.length], ["degraded", false, 1, 0]);
  at.window.dispatchEvent(new Event("online"));
  await settled();
  assert.deepEqual([at.sources.length, at.events], [2, [2]]);
  assert.equal(at.source.url.searchParams.get("lastEventId"), cursor(1));
});

test("a page that is put away holds no stream, and goes on where it was when it is back", async () => {
  for (const [target, away, back] of [
    ["window", new Event("pagehide"), Object.assign(new Event("pageshow"), { persisted: true })],
    ["document", new Event("freeze"), new Event("resume")],
  ]) {
    const at = await live();
    at[target].dispatchEvent(away);
    assert.equal(at.open.length, 0);
    await at.clock.pass(60_000);
    assert.equal(at.sources.length, 1);
    at[target].dispatchEvent(back);
    await settled();
    assert.equal(at.sources.length, 2);
    assert.equal(at.source.url.searchParams.get("lastEventId"), cursor(1));
    at.source.open({ cursor: cursor(1), resume: "ok" });
    assert.equal(at.hub.health.status, "healthy");
  }
});

test("a page that is looked at again tries at once", async () => {
  const at = await live({ fallback: false });
  at.source.fail();
  for (const wait of [4_000, 8_000]) {
    await at.clock.pass(wait);
    at.source.fail();
  }
  at.document.dispatchEvent(new Event("visibilitychange"));
  await settled();
  assert.equal(at.sources.length, 4);
});

test("a page that is looked at again after a sleep does not wait to find its stream dead", async () => {
  const at = await live();
  at.clock.sleep(600_000);
  at.document.dispatchEvent(new Event("visibilitychange"));
  await at.clock.pass(0);
  assert.equal(at.sources.length, 2);
});

test("a laptop that slept for ten minutes is back within five seconds, with what it missed", async () => {
  const at = await live();
  at.clock.sleep(600_000);
  await at.clock.pass(5_000);
  assert.equal(at.sources.length, 2);
  at.source.open({ cursor: cursor(1), resume: "ok" });
  at.source.say("tick", { n: 2 }, cursor(2));
  assert.deepEqual([at.events, at.hub.health.status], [[2], "healthy"]);
});

// -- polling only

test("where no stream is to be opened it polls from the first moment, and says no loss of any", async () => {
  const at = await stage({ stream: false, answer: () => page([2], { next: 2 }) });
  await at.clock.pass(4_000);
  assert.deepEqual([at.sources.length, at.polls.length, at.fresh], [0, 3, 1]);
  assert.deepEqual([at.hub.health.status, at.hub.health.fallbackActive, at.hub.health.lostAt], ["degraded", true, null]);
  assert.equal(healthWords(at.hub.health, { now: at.clock.time }), "Polling every 2 s");
  at.window.dispatchEvent(new Event("offline"));
  at.window.dispatchEvent(new Event("online"));
  await at.clock.pass(60_000);
  assert.equal(at.sources.length, 0, "nothing makes it try");
  assert.equal(at.hub.health.fallbackActive, true);
});

test("streams that are switched off and on again while it runs hand over from cursor to cursor", async () => {
  const told = [page([2]), page([3])];
  const at = await live({ answer: () => told.shift() ?? page([], { next: 3 }) });
  const stream = at.source;
  at.hub.useStream(false);
  await settled();
  assert.deepEqual([stream.isClosed, at.polls[0].url.searchParams.get("after")], [true, cursor(1)]);
  assert.deepEqual([at.hub.health.status, at.hub.health.fallbackActive], ["degraded", true]);
  await at.clock.pass(2_000);
  at.hub.useStream(true);
  at.hub.useStream(true);
  assert.equal(at.hub.health.lostAt, at.clock.time, "it has been without a stream since it was to have one");
  await settled();
  assert.equal(at.sources.length, 2);
  assert.equal(at.source.url.searchParams.get("lastEventId"), cursor(3));
  assert.equal(at.hub.health.fallbackActive, true, "until it is open");
  at.source.open({ cursor: cursor(3), resume: "ok" });
  at.source.caughtUp(cursor(3));
  await settled();
  assert.deepEqual([at.hub.health.status, at.hub.health.fallbackActive], ["healthy", false]);
  assert.deepEqual([at.events, at.resets], [[2, 3], []]);
});

test("a feed that the server switches off is polled, and streamed again when it is on", async () => {
  const at = await live({ answer: ({ method }) => (method === "HEAD" ? refused(503) : page([], { next: 1 })) });
  at.source.closing({ reason: "disabled", reconnect: false });
  await at.clock.pass(5_000);
  assert.deepEqual([at.hub.health.status, at.hub.health.fallbackActive, at.hub.health.stopped], ["degraded", true, null]);
  at.source.fail(2);
  while (at.open.length === 0) await at.clock.pass(500);
  at.source.open({ cursor: cursor(1), resume: "ok" });
  await settled();
  assert.equal(at.hub.health.status, "healthy");
});
