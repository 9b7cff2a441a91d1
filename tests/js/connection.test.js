import assert from "node:assert/strict";
import { test } from "node:test";

import { Connection } from "../../streaming/static/streaming/connection.js";
import { Clock, cursor } from "./fakes.js";

function stage() {
  const at = { told: [], closed: 0, clock: new Clock() };
  at.connection = new Connection({
    open: (handlers) => {
      Object.assign(at, handlers);
      return { close: () => (at.closed += 1) };
    },
    clock: at.clock,
    tell: (message) => at.told.push(message),
  });
  at.say = (type, data, id = null) => at.onMessage({ type, data: JSON.stringify(data), id });
  at.open = (heartbeat = 15) => at.say("stream.open", { resume: "ok", heartbeat, reconnectToken: "r" }, cursor(1));
  at.kinds = () => at.told.map(({ kind }) => kind);
  return at;
}

test("it tells what the protocol says, in its order", () => {
  const at = stage();
  at.open();
  at.say("change.detected", { n: 2 }, cursor(2));
  at.say("stream.caught_up", { cursor: cursor(2), replayed: 1 }, cursor(2));
  at.say("heartbeat", { now: "…" }, cursor(3));
  at.say("heartbeat", { now: "…" });
  at.say("stream.reset", { reason: "epoch" });
  assert.deepEqual(at.told, [
    { kind: "opened", resume: "ok", reconnectToken: "r" },
    { kind: "moved", cursor: cursor(1) },
    { kind: "event", id: cursor(2), type: "change.detected", data: { n: 2 } },
    { kind: "caught_up", cursor: cursor(2) },
    { kind: "heartbeat" },
    { kind: "moved", cursor: cursor(3) },
    { kind: "heartbeat" },
    { kind: "event", id: null, type: "heartbeat", data: { now: "…" } },
    { kind: "reset", reason: "epoch" },
  ]);
});

test("what is not of this protocol is passed over", () => {
  const at = stage();
  at.say("change.detected", { n: 1 }, cursor(1)); // before stream.open: some proxy's
  at.open();
  at.onMessage({ type: "message", data: "", id: null }); // a comment, as some parsers show it
  at.onMessage({ type: "change.detected", data: "<html>", id: cursor(9) });
  assert.deepEqual(at.kinds(), ["opened", "moved"]);
});

test("a goodbye ends it, and says how", () => {
  const at = stage();
  at.open();
  at.clock.time += 2_000;
  at.say("stream.closing", { reason: "rotated", reconnect: true, retryMs: 3_120 });
  at.onEnd({ status: null });
  at.say("change.detected", { n: 2 }, cursor(2));
  const end = at.told.at(-1);
  assert.deepEqual(at.kinds(), ["opened", "moved", "ended"]);
  assert.deepEqual([end.reason, end.reconnect, end.retryMs, end.opened, end.lived], ["rotated", true, 3_120, true, 2_000]);
  assert.equal(at.closed, 1);
});

test("a refusal that is told as a stream ends it unopened", () => {
  const at = stage();
  at.say("stream.closing", { reason: "unavailable", reconnect: true, retryMs: 4_000 });
  assert.deepEqual([at.told[0].opened, at.told[0].retryMs], [false, 4_000]);
});

test("ten seconds without a word at the beginning are a dead connection", async () => {
  const at = stage();
  await at.clock.pass(9_999);
  assert.deepEqual(at.told, []);
  await at.clock.pass(1);
  assert.deepEqual([at.told[0].kind, at.told[0].silent, at.closed], ["ended", true, 1]);
});

test("two and a half heartbeats of silence are a dead connection, and any message is a sign of life", async () => {
  const at = stage();
  at.open(2);
  await at.clock.pass(4_999);
  at.say("heartbeat", {});
  await at.clock.pass(4_999);
  assert.equal(at.told.at(-1).kind, "event");
  await at.clock.pass(1);
  assert.equal(at.told.at(-1).silent, true);
});

test("after a long sleep it is found dead within five seconds, whatever its timers had left to run", async () => {
  const at = stage();
  at.open();
  at.clock.sleep(600_000);
  await at.clock.pass(5_000);
  assert.equal(at.told.at(-1).silent, true);
});

test("whoever comes back may have it looked at, at once", () => {
  const at = stage();
  at.open();
  at.clock.sleep(600_000);
  at.connection.look();
  assert.equal(at.told.at(-1).silent, true);
});

test("a clock that is put back makes it no younger than now", async () => {
  const at = stage();
  at.open(2);
  at.clock.time -= 3_600_000;
  at.connection.look();
  await at.clock.pass(5_000);
  assert.equal(at.told.at(-1).silent, true);
});

test("once closed it tells nothing more and leaves no timer", () => {
  const at = stage();
  at.open();
  at.connection.close();
  at.say("change.detected", { n: 2 }, cursor(2));
  at.onEnd({ refused: true });
  assert.deepEqual(at.kinds(), ["opened", "moved"]);
  assert.equal(at.clock.waiting, 0);
});
