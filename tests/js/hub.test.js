// What a page sees of a hub whose server behaves: resume, reset, each event once, scopes that merge and release.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createHub } from "../../streaming/static/streaming/hub.js";
import { cursor, environment, settled } from "./fakes.js";

const query = (source) => Object.fromEntries(source.url.searchParams);

async function stage(options = {}, world = {}) {
  const at = environment(world);
  at.events = [];
  at.resets = [];
  at.fresh = 0;
  at.hub = createHub({ url: "/v1/stream?org=org_1", ...options }, at.env);
  at.hub.onReset((reason) => at.resets.push(reason));
  at.end = at.hub.subscribe(["tick", "tock"], ({ type, data, news }) => at.events.push([type, data.n, news]), { onFresh: () => (at.fresh += 1) });
  at.hub.start();
  at.tick = (n) => at.source.say("tick", { n }, cursor(n));
  await settled();
  await at.clock.pass(0);
  return at;
}

async function live(options, world) {
  const at = await stage(options, world);
  at.source.open({ cursor: cursor(1) });
  at.source.caughtUp(cursor(1));
  return at;
}

test("it asks for what is wanted, and for what a native EventSource needs", async () => {
  const at = await stage();
  assert.equal(at.source.url.origin + at.source.url.pathname, "https://app.example/v1/stream");
  assert.deepEqual(query(at.source), { org: "org_1", types: "tick,tock", heartbeat: "event", refusal: "stream", connection: "name-1" });
  assert.deepEqual(at.source.options, { withCredentials: false });
});

test("it is healthy with stream.open, and the page is told once that it may read", async () => {
  const at = await stage();
  assert.equal(at.hub.health.status, "recovering");
  at.source.open();
  assert.equal(at.hub.health.status, "healthy");
  assert.equal(at.fresh, 0);
  at.source.caughtUp(cursor(1));
  assert.equal(at.fresh, 1);
});

test("events are told with their id, as news, and seen in its health", async () => {
  const at = await live();
  const got = [];
  at.hub.subscribe("tick", (event) => got.push(event));
  at.clock.time += 500;
  at.tick(2);
  assert.deepEqual(got, [{ id: cursor(2), type: "tick", data: { n: 2 }, news: true, at: at.clock.time }]);
  assert.equal(at.hub.health.lastEventAt, at.clock.time);
  at.source.say("heartbeat", { now: "" });
  assert.equal(at.hub.health.lastHeartbeatAt, at.clock.time);
});

test("a lost stream is resumed where it was, and what comes again is told once", async () => {
  const at = await live();
  at.tick(2);
  at.source.fail();
  assert.equal(at.hub.health.status, "recovering");
  await at.clock.pass(4_000);
  assert.equal(query(at.source).lastEventId, cursor(2));
  at.source.open({ cursor: cursor(2), resume: "ok" });
  at.tick(1);
  at.tick(3);
  at.tick(2);
  at.source.caughtUp(cursor(3));
  assert.deepEqual(at.events.map(([, n]) => n), [2, 3]);
  assert.equal(at.fresh, 1, "nothing was missed");
});

test("a position that a heartbeat moved is where it resumes", async () => {
  const at = await live();
  at.source.say("heartbeat", { now: "" }, cursor(9));
  at.source.fail();
  await at.clock.pass(4_000);
  assert.equal(query(at.source).lastEventId, cursor(9));
});

test("what stands between reset and caught-up is state, not news; then the page reads again", async () => {
  const at = await live();
  at.source.fail();
  await at.clock.pass(4_000);
  at.source.open({ resume: "reset" });
  at.source.say("stream.reset", { reason: "epoch" });
  at.source.say("tick", { n: 7 });
  at.source.say("tick", { n: 8 });
  assert.equal(at.fresh, 1);
  at.source.caughtUp(cursor(1, "f"));
  at.source.say("tick", { n: 9 }, cursor(2, "f"));
  assert.deepEqual(at.events, [["tick", 7, false], ["tick", 8, false], ["tick", 9, true]]);
  assert.deepEqual(at.resets, ["epoch"]);
  assert.equal(at.fresh, 2);
});

test("a log that is replaced under a living stream may begin anew at one", async () => {
  const at = await live();
  at.tick(5);
  at.source.say("stream.reset", { reason: "ahead" });
  at.source.say("tick", { n: 1 });
  at.source.caughtUp(cursor(3, "e"));
  at.source.say("tick", { n: 4 }, cursor(4));
  assert.deepEqual(at.events, [["tick", 5, true], ["tick", 1, false], ["tick", 4, true]]);
});

test("whoever is cut while the state is told comes back with the old cursor and gets it again", async () => {
  const at = await live();
  at.source.fail();
  await at.clock.pass(4_000);
  at.source.open({ resume: "reset" });
  at.source.say("stream.reset", { reason: "truncated" });
  at.source.say("tick", { n: 7 });
  at.source.fail();
  await at.clock.pass(8_000);
  assert.equal(query(at.source).lastEventId, cursor(1));
  at.source.open({ resume: "ok", cursor: cursor(1) });
  at.tick(2);
  at.source.caughtUp(cursor(2));
  assert.deepEqual(at.events.at(-1), ["tick", 2, true], "the state that was cut short has ended");
  assert.equal(at.fresh, 2, "and the page reads, for it had only half of it");
});

test("a heartbeat amid the state does not move the cursor past it", async () => {
  const at = await live();
  at.source.say("stream.reset", { reason: "epoch" });
  at.source.say("heartbeat", { now: "" }, cursor(9, "f"));
  at.source.fail();
  await at.clock.pass(4_000);
  assert.equal(query(at.source).lastEventId, cursor(1));
});

test("a server that does not know the cursor at all starts at the end, and the page reads", async () => {
  for (const resume of ["malformed", "none"]) {
    const at = await live();
    at.source.fail();
    await at.clock.pass(4_000);
    at.source.open({ cursor: cursor(7), resume });
    at.source.caughtUp(cursor(7));
    assert.deepEqual([at.fresh, at.resets], [2, []]);
  }
});

test("an event that is named like the connection's own is an event", async () => {
  const at = await live();
  const got = [];
  at.hub.subscribe(["error", "open"], ({ type, data }) => got.push([type, data.message]));
  await at.clock.pass(100);
  at.source.open({ cursor: cursor(1), resume: "ok" });
  at.source.say("error", { message: "a stage has failed" }, cursor(2));
  at.source.say("open", { message: "a door" }, cursor(3));
  assert.deepEqual(got, [["error", "a stage has failed"], ["open", "a door"]]);
  assert.equal(at.hub.health.status, "healthy");
});

test("an envelope that stands for many is state too", async () => {
  const at = await live();
  at.source.say("tock", { topic: "tock", kind: "snapshot", n: 3 }, cursor(3));
  at.source.say("tock", { topic: "tock", kind: "event", n: 4 }, cursor(4));
  assert.deepEqual(at.events, [["tock", 3, false], ["tock", 4, true]]);
});

test("an event without an id of its own is told, however often", async () => {
  const at = await live();
  at.tick(2);
  for (let n = 0; n < 3; n += 1) at.source.say("tock", { n });
  assert.deepEqual(at.events.map(([, n]) => n), [2, 0, 1, 2]);
});

test("another interest replaces the stream beside the old one, from the same place, without a gap", async () => {
  const at = await live();
  at.tick(2);
  const got = [];
  let fresh = 0;
  at.hub.subscribe("tack", ({ data }) => got.push(data.n), { onFresh: () => (fresh += 1) });
  await at.clock.pass(99);
  assert.equal(at.sources.length, 1);
  await at.clock.pass(1);
  const [old, next] = at.sources;
  assert.deepEqual([query(next).types, query(next).lastEventId], ["tack,tick,tock", cursor(2)]);
  old.say("tick", { n: 3 }, cursor(3));
  assert.equal(at.open.length, 2);
  next.open({ cursor: cursor(2), resume: "ok" });
  assert.ok(old.isClosed);
  next.say("tick", { n: 3 }, cursor(3));
  next.say("tack", { n: 4 }, cursor(4));
  assert.equal(fresh, 0);
  next.caughtUp(cursor(4));
  assert.deepEqual([at.events.map(([, n]) => n), got, fresh, at.fresh], [[2, 3], [4], 1, 1]);
  assert.equal(at.hub.health.status, "healthy");
});

test("another interest before the first stream is open leaves one attempt under way", async () => {
  const at = await stage();
  at.hub.subscribe("tack", () => {});
  await at.clock.pass(100);
  assert.deepEqual(at.open.map((source) => query(source).types), ["tack,tick,tock"]);
});

test("interests that come and go within a moment cost no new stream", async () => {
  const at = await live();
  at.end();
  let fresh = 0;
  at.end = at.hub.subscribe(["tick", "tock"], () => {}, { onFresh: () => (fresh += 1) });
  await at.clock.pass(1_000);
  assert.deepEqual([at.sources.length, fresh], [1, 1]);
});

test("without any interest there is no stream, and the first one brings it back where it was", async () => {
  const at = await live();
  at.tick(2);
  at.end();
  await at.clock.pass(60_000);
  assert.equal(at.open.length, 0);
  assert.equal(at.sources.length, 1);
  at.hub.subscribe("tick", () => {});
  await at.clock.pass(0);
  assert.deepEqual([query(at.source).types, query(at.source).lastEventId], ["tick", cursor(2)]);
});

test("the scope is asked for, and a server that supersedes the old stream does not end the new", async () => {
  const at = await live();
  at.end();
  at.hub.subscribe("tick", { projectId: "prj_1" }, () => {});
  await at.clock.pass(100);
  at.source.open();
  assert.equal(query(at.source).projectId, "prj_1");
  at.hub.subscribe("tick", { projectId: "prj_1", documentId: "doc_1" }, () => {});
  await at.clock.pass(1_000);
  assert.equal(at.open.length, 1, "its scope is carried already");
  at.hub.subscribe("tock", { projectId: "prj_1" }, () => {});
  await at.clock.pass(100);
  const [old, next] = at.open;
  old.closing({ reason: "superseded", reconnect: false });
  assert.deepEqual([at.hub.health.stopped, at.hub.health.status], [null, "healthy"]);
  next.fail();
  await settled();
  assert.equal(at.hub.health.status, "recovering", "the successor has failed as well");
});

test("stop closes everything and start goes on where it stopped", async () => {
  const at = await live();
  at.tick(2);
  at.hub.stop();
  assert.deepEqual([at.open.length, at.clock.waiting, at.hub.health.stopped], [0, 0, "stopped"]);
  at.hub.start();
  await settled();
  assert.equal(query(at.source).lastEventId, cursor(2));
  assert.equal(at.hub.health.stopped, null);
});
