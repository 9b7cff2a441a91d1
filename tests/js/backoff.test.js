import assert from "node:assert/strict";
import { test } from "node:test";

import { Backoff, backoff } from "../../streaming/static/streaming/backoff.js";
import { Clock } from "./fakes.js";

test("the ceiling doubles from four to thirty seconds, and the jitter is full", () => {
  const ceilings = [1, 2, 3, 4, 5, 6, 1_000].map((attempt) => backoff(attempt, 1));
  assert.deepEqual(ceilings, [4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000]);
  assert.deepEqual([1, 2, 9].map((attempt) => backoff(attempt, 0)), [500, 500, 500]);
});

test("clients that were cut together come back spread: no second holds more than a third", () => {
  const seconds = new Map();
  for (let client = 0; client < 10_000; client += 1) {
    const second = Math.floor(backoff(1, (client + 0.5) / 10_000) / 1_000);
    seconds.set(second, (seconds.get(second) ?? 0) + 1);
  }
  assert.ok(Math.max(...seconds.values()) < 3_334, JSON.stringify([...seconds]));
});

test("what the server asked for is never undercut, and alone decides the first time", () => {
  const clock = new Clock();
  const waits = new Backoff({ random: () => 1, clock });
  assert.equal(waits.next(1_234), 1_234);
  assert.equal(waits.next(1_234), 8_000);
  assert.equal(waits.next(60_000), 60_000);
});

test("only a healthy minute makes it start anew", () => {
  const clock = new Clock();
  const waits = new Backoff({ random: () => 1, clock });
  waits.next();
  waits.opened();
  clock.time += 59_999;
  assert.equal(waits.next(), 8_000);
  waits.opened();
  clock.time += 60_000;
  assert.equal(waits.next(), 4_000);
});
