import assert from "node:assert/strict";
import { test } from "node:test";

import { marksOf, pastWords, pathOf, positionWords, stretchOf } from "../../redline/dashboard/static/dashboard/scrubber.js";

const NOW = Date.parse("2026-03-01T12:00:00.000Z");
const MINUTE = 60_000;
const clock = (at) => new Date(at).toISOString().slice(11, 16);

test("a stretch is whole steps, so that a slider reaches its end, and never shorter than two minutes", () => {
  for (const length of [0, 90_000, 11 * MINUTE, 61 * MINUTE + 7, 24 * 60 * MINUTE]) {
    const { from, to, step } = stretchOf(NOW - length, NOW);
    assert.equal((to - from) % step, 0, `${length}`);
    assert.ok(to - from >= Math.max(2 * MINUTE, length) && to - from < Math.max(2 * MINUTE, length) + step, `${length}: ${to - from}`);
  }
  assert.equal(stretchOf(NOW - 9 * MINUTE, NOW).step, 1_000);
  assert.equal(stretchOf(NOW - 24 * 60 * MINUTE, NOW).step, MINUTE);
});

test("the line goes through the minutes, the busiest at the top, and stays inside its box", () => {
  const stretch = { from: NOW - 4 * MINUTE, to: NOW };
  const minutes = [10, 0, 5, 20].map((count, index) => [stretch.from + index * MINUTE, count]);
  const path = pathOf(minutes, stretch, { width: 400, height: 40 });
  assert.equal(path, "M0 21L50 21L150 39L250 30L350 3H400");
  assert.equal(pathOf([], stretch, { width: 400, height: 40 }), "M0 39H400");
  assert.doesNotMatch(pathOf([[stretch.from - MINUTE / 2, 3], [NOW, 9]], stretch, { width: 400, height: 40 }), /-/);
});

test("marks stand at full minutes or hours of the reader's clock, with room between them", () => {
  const day = marksOf({ from: NOW - 24 * 60 * MINUTE, to: NOW }, 1_000, () => 0);
  assert.ok(day.length >= 5 && day.every(({ at }) => at % (60 * MINUTE) === 0), JSON.stringify(day));
  assert.ok(day.every(({ x }, index) => index === 0 || x - day[index - 1].x >= 76));
  const nepal = marksOf({ from: NOW - 10 * 60 * MINUTE, to: NOW }, 1_000, () => -345 * MINUTE);
  assert.ok(nepal.length > 5 && nepal.every(({ at }) => (at + 345 * MINUTE) % (60 * MINUTE) === 0), JSON.stringify(nepal));
  assert.ok(marksOf({ from: NOW - 2 * MINUTE, to: NOW }, 300, () => 0).length <= 3);
});

test("the slider says in words where it stands", () => {
  assert.equal(positionWords(null, { now: NOW, count: 0, clock }), "Live");
  assert.equal(positionWords(NOW - 125 * MINUTE, { now: NOW, count: 14, clock }), "09:55, 2 h ago, 14 events in that minute");
  assert.equal(positionWords(NOW - 3_000, { now: NOW, count: 1, clock }), "11:59, less than a minute ago, 1 event in that minute");
});

test("the banner says the instant, what came meanwhile, and how far what it shows is known", () => {
  const words = (more) => pastWords({ at: NOW - 9 * MINUTE, now: NOW, rate: 0, meanwhile: [], from: NOW - 60 * MINUTE, isWhole: true, clock, ...more });
  assert.equal(words().asOf, "As of 11:51, 9 m ago.");
  assert.equal(words({ rate: 10, meanwhile: ["P2", "P1"] }).asOf, "As of 11:51, 9 m ago, played at 10×. 2 new changes meanwhile, 1 of them P1.");
  assert.match(words().covers, /^The log begins at 11:00; what is older, and vendors/);
  assert.match(words({ isWhole: false }).covers, /^The log is read back to 11:00;/);
});
