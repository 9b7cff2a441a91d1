// The board on a real hub: how its life looks on the board.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Feed, TYPES } from "../../redline/dashboard/static/dashboard/feed.js";
import { createHub } from "../../streaming/static/streaming/hub.js";
import { cursor, environment, fetcher, settled } from "./fakes.js";

async function stage(world = {}) {
  const at = environment(world);
  Object.assign(at, { events: [], fresh: 0, modes: [] });
  at.feed = new Feed({
    hub: createHub({ url: "/v1/stream?org=org_1", types: TYPES }, at.env),
    onEvent: ({ type, data }, { news }) => at.events.push([type, data.n, news]),
    onFresh: () => (at.fresh += 1),
    onLink: ({ mode }) => at.modes.at(-1) === mode || at.modes.push(mode),
  });
  at.feed.start();
  await settled();
  await at.clock.pass(0);
  return at;
}

async function live(world) {
  const at = await stage(world);
  at.source.open({ cursor: cursor(1) });
  at.source.caughtUp(cursor(1));
  return at;
}

test("it connects, is live, and asks once for what it cannot know", async () => {
  const at = await stage();
  assert.equal(at.feed.link.mode, "connecting");
  assert.equal(at.source.url.searchParams.get("types"), [...TYPES].sort().join(","));
  at.source.open({ cursor: cursor(1) });
  at.source.caughtUp(cursor(1));
  assert.deepEqual([at.feed.link.mode, at.fresh, at.feed.link.lostAt], ["live", 1, null]);
});

test("events are news, and what stands between reset and caught-up is not", async () => {
  const at = await live();
  at.source.say("run.stage", { n: 2 }, cursor(2));
  assert.equal(at.feed.link.lastEventAt, at.clock.now());
  at.source.say("stream.reset", { reason: "epoch" });
  at.source.say("change.detected", { n: 3 });
  at.source.caughtUp(cursor(1, "f"));
  assert.deepEqual(at.events, [["run.stage", 2, true], ["change.detected", 3, false]]);
  assert.equal(at.fresh, 2);
});

test("a lost stream is recovering with its attempt and the next, then polling, then live", async () => {
  const page = { events: [], cursor: cursor(1), hasMore: false };
  const at = await live({ fetch: fetcher(() => page) });
  at.source.fail();
  await at.clock.pass(0);
  const { mode, attempt, nextAt, lostAt } = at.feed.link;
  assert.deepEqual([mode, lostAt], ["recovering", at.clock.now()]);
  assert.ok(attempt >= 1);
  assert.ok(nextAt > at.clock.now());
  for (let failures = 0; failures < 6; failures += 1) {
    await at.clock.pass(1_000);
    at.source.fail();
  }
  assert.equal(at.feed.link.mode, "polling");
  await at.clock.pass(40_000);
  at.source.open({ cursor: cursor(1), resume: "ok" });
  at.source.caughtUp(cursor(1));
  assert.deepEqual(at.modes.slice(-3), ["recovering", "polling", "live"]);
});

test("without a network it is offline, and goes on by itself", async () => {
  const at = await live();
  at.online = false;
  at.window.dispatchEvent(new Event("offline"));
  assert.equal(at.feed.link.mode, "offline");
  at.online = true;
  at.window.dispatchEvent(new Event("online"));
  await at.clock.pass(1_000);
  at.source.open({ cursor: cursor(1), resume: "ok" });
  assert.equal(at.feed.link.mode, "live");
});

test("an end that is for good says why, also if it is the board's own", async () => {
  const at = await live();
  at.source.closing({ reason: "auth_revoked", reconnect: false });
  assert.deepEqual([at.feed.link.mode, at.feed.link.reason], ["stopped", "auth_revoked"]);
  const other = await live();
  other.feed.stop("unauthenticated");
  assert.deepEqual([other.feed.link.mode, other.feed.link.reason], ["stopped", "unauthenticated"]);
});
