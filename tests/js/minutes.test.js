import assert from "node:assert/strict";
import { test } from "node:test";

import { Clock } from "../../redline/dashboard/static/dashboard/clock.js";
import { latencyData, latencyWords, rateData, rateWords, stretchOf } from "../../redline/dashboard/static/dashboard/figures.js";
import { Minutes, quantile } from "../../redline/dashboard/static/dashboard/minutes.js";

const NOON = Date.parse("2026-03-01T12:00:00.000Z");
const MINUTE = 60_000;
const clock = (at) => new Date(at).toISOString().slice(11, 16);
const entries = (...minutes) => minutes.flatMap(([minute, count]) => Array.from({ length: count }, (_, n) => ({ at: NOON + minute * MINUTE + n })));

test("events are counted in their minutes, and minutes without any are nought", () => {
  const minutes = new Minutes();
  minutes.recount(entries([0, 3], [2, 1]));
  minutes.add(entries([2, 4]));
  assert.deepEqual(minutes.counts(NOON, NOON + 2 * MINUTE).map(([, count]) => count), [3, 0, 5]);
});

test("counting anew replaces what was counted since, and keeps what lies before", () => {
  const minutes = new Minutes();
  minutes.recount(entries([0, 3], [2, 9]));
  minutes.recount(entries([1, 2], [2, 5]));
  assert.deepEqual(minutes.counts(NOON, NOON + 2 * MINUTE).map(([, count]) => count), [3, 2, 5]);
});

test("a week leaves a day of minutes, and a storm a bounded number of samples", () => {
  const minutes = new Minutes();
  for (let minute = 0; minute < 7 * 1_440; minute += 1) {
    minutes.add([{ at: NOON + minute * MINUTE }]);
    minutes.sample(NOON + minute * MINUTE, 5);
  }
  const week = [NOON, NOON + 7 * 1_440 * MINUTE];
  assert.equal(minutes.counts(...week).filter(([, count]) => count).length, 1_440);
  assert.equal(minutes.samples(...week).length, 1_440);
  for (let n = 0; n < 100_000; n += 1) minutes.sample(week[1], n);
  const last = minutes.samples(week[1], week[1]);
  assert.equal(last.length, 240);
  assert.equal(Math.min(...last), 100_000 - 240, "the newest are kept");
});

test("p50 and p99 are samples that half and 99 of 100 do not exceed", () => {
  const values = Array.from({ length: 200 }, (_, n) => 200 - n);
  assert.deepEqual([quantile(values, 0.5), quantile(values, 0.99), quantile([7], 0.99), quantile([], 0.5)], [100, 198, 7, null]);
});

test("a chart shows an hour, less while less is known, and nothing where nothing is known", () => {
  const minutes = new Minutes();
  minutes.recount(entries([-2, 4], [0, 2]));
  assert.deepEqual(stretchOf(null, NOON), [NOON - 10 * MINUTE, NOON]);
  assert.deepEqual(stretchOf(NOON - 30 * MINUTE, NOON), [NOON - 30 * MINUTE, NOON]);
  assert.deepEqual(stretchOf(NOON - 300 * MINUTE, NOON), [NOON - 60 * MINUTE, NOON]);
  const [seconds, counts] = rateData(minutes, NOON - 2 * MINUTE, [NOON - 4 * MINUTE, NOON]);
  assert.equal(seconds.at(-1), NOON / 1000);
  assert.deepEqual(counts, [null, null, 4, 0, null], "the running minute is not over");
  assert.deepEqual(rateData(minutes, null, [NOON - MINUTE, NOON])[1], [null, null]);
});

test("the words of a chart say what it shows", () => {
  const minutes = new Minutes();
  minutes.recount(entries([-3, 4], [-1, 2]));
  const stretch = [NOON - 10 * MINUTE, NOON];
  assert.equal(rateWords(minutes, NOON - 10 * MINUTE, stretch, clock), "6 in the last 10 minutes, at most 4 in one, at 11:57.");
  assert.equal(rateWords(new Minutes(), NOON - 10 * MINUTE, stretch, clock), "None in the last 10 minutes.");
  assert.match(latencyWords(minutes, stretch), /^Not measured yet/);
  for (let n = 1; n <= 100; n += 1) minutes.sample(NOON - MINUTE, n === 100 ? 2_500 : 11);
  assert.equal(latencyWords(minutes, stretch), "Half of 100 events within 11 ms, 99 of 100 within 11 ms.");
  assert.deepEqual(latencyData(minutes, [NOON - MINUTE, NOON]).slice(1), [[11, null], [11, null]]);
});

test("the clock believes the answer that took least, and lets a browser's own clock be wrong", async () => {
  let own = 0;
  const server = () => own + 300_000;
  const trips = [[400, 100], [6, 4], [300, 300], [90, 10]];
  const times = new Clock(async () => {
    const [there, back] = trips.shift();
    own += there;
    const told = server();
    own += back;
    return told;
  }, () => own);
  assert.equal(times.isSet, false);
  await times.set();
  assert.ok(Math.abs(times.now() - server()) <= 1, `${times.now() - server()} ms off`);
  await times.set(); // within ten minutes: not asked again, for nothing is left to answer
  assert.equal(times.of(own), times.now());
});
