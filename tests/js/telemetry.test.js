import assert from "node:assert/strict";
import { test } from "node:test";

import { Health } from "../../streaming/static/streaming/health.js";
import { createTelemetry } from "../../streaming/static/streaming/telemetry.js";
import { Clock } from "./fakes.js";

function stage() {
  const at = { sent: [], taken: true, clock: new Clock(), document: Object.assign(new EventTarget(), { visibilityState: "visible" }) };
  at.clock.time = Date.parse("2026-03-01T12:00:00.000Z");
  const beacon = (url, body) => at.taken && at.sent.push({ url, body }) > 0;
  at.telemetry = createTelemetry({ environment: { beacon, clock: at.clock, document: at.document } });
  at.health = new Health(at.clock);
  at.end = at.telemetry.watch({ onHealth: (listener) => at.health.watch(listener) });
  at.hide = () => {
    at.document.visibilityState = "hidden";
    at.document.dispatchEvent(new Event("visibilitychange"));
  };
  at.records = async () => (await Promise.all(at.sent.map(({ body }) => body.text()))).flatMap((text) => JSON.parse(text));
  return at;
}

test("an outage is told as its fallback, its degraded time and its reconnect", async () => {
  const at = stage();
  at.health.change({ status: "healthy", lostAt: null });
  at.health.change({ status: "recovering", lostAt: at.clock.time, retryAttempt: 1 });
  at.clock.time += 5_000;
  at.health.change({ status: "degraded", fallbackActive: true, retryAttempt: 3 });
  at.clock.time += 7_000;
  at.health.change({ fallbackActive: false });
  at.health.change({ status: "healthy", lostAt: null, retryAttempt: 0 });
  at.hide();
  assert.deepEqual(await at.records(), [
    { type: "fallback", attempts: 3, at: "2026-03-01T12:00:05.000Z" },
    { type: "degraded", durationMs: 7_000, at: "2026-03-01T12:00:12.000Z" },
    { type: "reconnect", attempts: 3, durationMs: 12_000, at: "2026-03-01T12:00:12.000Z" },
  ]);
  assert.deepEqual([at.sent[0].url, at.sent[0].body.type], ["/api/v1/events/telemetry", "application/json"]);
});

test("the first opening is no reconnect, and a follower tells nothing", async () => {
  const at = stage();
  at.health.change({ status: "healthy", lostAt: null });
  at.health.change({ role: "follower", status: "degraded", fallbackActive: true });
  at.hide();
  assert.deepEqual(at.sent, []);
});

test("a batch holds at most 20 records and 4 KiB, and goes when it is full", async () => {
  const at = stage();
  for (let n = 0; n < 19; n += 1) at.telemetry.latency(11.4);
  assert.equal(at.sent.length, 0);
  at.telemetry.latency(11.4);
  assert.equal(at.sent.length, 1);
  const [{ body }] = at.sent;
  assert.ok(body.size <= 4_096, `${body.size} bytes`);
  assert.deepEqual((await at.records())[0], { type: "latency", durationMs: 11, at: "2026-03-01T12:00:00.000Z" });
  assert.equal((await at.records()).length, 20);
});

test("what is waiting goes every half minute", async () => {
  const at = stage();
  at.telemetry.latency(11);
  await at.clock.pass(29_999);
  assert.equal(at.sent.length, 0);
  await at.clock.pass(1);
  assert.equal(at.sent.length, 1);
  assert.equal(at.clock.waiting, 0);
});

test("what the browser does not take waits on, but not without end", async () => {
  const at = stage();
  at.taken = false;
  for (let n = 0; n < 1_000; n += 1) at.telemetry.latency(n);
  at.taken = true;
  at.telemetry.flush();
  const records = await at.records();
  assert.deepEqual([records.length, records[0].durationMs, at.sent.length], [100, 900, 5]);
});

test("after its end nothing more is told", () => {
  const at = stage();
  at.end();
  at.health.change({ fallbackActive: true });
  at.hide();
  assert.deepEqual(at.sent, []);
});
