import assert from "node:assert/strict";
import { test } from "node:test";

import { Health } from "../../streaming/static/streaming/health.js";
import { retryMs } from "../../streaming/static/streaming/refusal.js";
import { healthPhrase, healthWords } from "../../streaming/static/streaming/words.js";
import { Clock } from "./fakes.js";

const clock = new Clock();
const record = (part) => ({ ...new Health(clock).record, ...part });
const now = clock.time + 14_000;

const WORDS = [
  [{}, "Connecting", "Connecting"],
  [{ status: "healthy", lostAt: null }, "Live", "Live"],
  [{ retryAttempt: 3, nextAttemptAt: now + 2_000 }, "Reconnecting", "Reconnecting, attempt 3, next in 2 s"],
  [{ retryAttempt: 3 }, "Reconnecting", "Reconnecting, attempt 3"],
  [{ status: "degraded", fallbackActive: true, retryAttempt: 4 }, "Polling", "Polling every 2 s, stream lost 14 s ago"],
  [{ status: "degraded", retryAttempt: 4, nextAttemptAt: now - 5 }, "Reconnecting", "Reconnecting, attempt 4, next in 0 s"],
  [{ status: "degraded", online: false }, "Offline", "Offline"],
  [{ stopped: "auth_revoked", online: false }, "No longer allowed to see this", "No longer allowed to see this"],
  [{ stopped: "whatever" }, "Stopped", "Stopped"],
];

for (const [part, phrase, words] of WORDS) {
  test(`its health in words: ${words}`, () => {
    assert.equal(healthPhrase(record(part)), phrase);
    assert.equal(healthWords(record(part), { now }), words);
  });
}

test("a watcher is told of changes, with what was before, and only of changes", () => {
  const health = new Health(clock);
  const told = [];
  const end = health.watch((after, before) => told.push([after.status, before.status]));
  health.change({ status: "recovering" });
  health.change({ status: "healthy" });
  health.change({ lastEventAt: 5 });
  end();
  health.change({ status: "degraded" });
  assert.deepEqual(told, [["healthy", "recovering"], ["healthy", "healthy"]]);
  assert.throws(() => Object.assign(health.record, { status: "x" }), TypeError);
});

test("since moves with the status alone", () => {
  const own = new Clock();
  const health = new Health(own);
  own.time += 10;
  health.change({ retryAttempt: 1 });
  assert.equal(health.record.since, own.time - 10);
  health.change({ status: "healthy" });
  assert.equal(health.record.since, own.time);
});

test("Retry-After is seconds, or an instant, or nothing", () => {
  const at = Date.parse("Sun, 01 Mar 2026 12:00:00 GMT");
  assert.deepEqual(["7", "Sun, 01 Mar 2026 12:00:09 GMT", "Sun, 01 Mar 2026 11:00:00 GMT", "soon", null].map((text) => retryMs(text, at)), [7_000, 9_000, 0, null, null]);
});
