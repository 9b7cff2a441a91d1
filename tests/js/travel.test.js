import assert from "node:assert/strict";
import { test } from "node:test";

import { EMPTY, reduce } from "../../redline/dashboard/static/dashboard/state.js";
import { Travel } from "../../redline/dashboard/static/dashboard/travel.js";

const NOW = Date.parse("2026-03-01T12:00:00.000Z");
const event = (n, severity = "P2") => ({ type: "change.detected", data: { changeReportId: `chg_${n}`, vendorId: "vnd_1", severity, headline: `H${n}` } });

function stage({ entries = 10, every = 60_000 } = {}) {
  const at = { now: NOW, changed: 0, played: [] };
  at.store = { state: EMPTY };
  at.tape = { entries: [], from: NOW - entries * every, isWhole: true };
  at.live = (n, when = at.now, severity) => {
    at.store.state = reduce(at.store.state, { type: "event", event: event(n, severity), at: new Date(when).toISOString(), news: true });
    at.tape.entries = [...at.tape.entries, { id: `e.${n}.0`, at: when, event: event(n, severity) }];
    at.travel.happened(event(n, severity));
  };
  at.travel = new Travel({
    tape: at.tape, store: at.store, clock: { now: () => at.now }, pause: async () => {},
    onChange: () => (at.changed += 1), onPlayed: (passed) => at.played.push(...passed.map(({ event: { data } }) => data.changeReportId)),
  });
  for (let n = 0; n < entries; n += 1) at.live(n, at.tape.from + n * every);
  at.shown = () => at.travel.state().changes.size;
  return at;
}

test("live, the board shows the store's own state", () => {
  const { travel, store } = stage();
  assert.equal(travel.state(), store.state);
  assert.deepEqual([travel.isPast, travel.at, travel.back()], [false, null, false]);
});

test("an instant of the past shows what was there, held still and quiet", () => {
  const at = stage();
  assert.equal(at.travel.seek(NOW - 5 * 60_000 - 1), true);
  assert.equal(at.shown(), 5);
  assert.deepEqual([at.travel.rate, at.travel.state().quiet, at.changed], [0, true, 1]);
  at.travel.seek(NOW - 2 * 60_000 - 1);
  assert.equal(at.shown(), 8);
});

test("what happens meanwhile is not shown, is counted, and is there at once when one comes back", () => {
  const at = stage();
  at.travel.seek(NOW - 5 * 60_000);
  const before = at.shown();
  at.now += 1_000;
  at.live(100);
  at.live(101, at.now, "P1");
  assert.equal(at.shown(), before);
  assert.deepEqual(at.travel.meanwhile, ["P2", "P1"]);
  assert.equal(at.travel.back(), true);
  assert.equal(at.shown(), 12);
  assert.equal(at.travel.state(), at.store.state);
});

test("play passes every entry once, at its pace, marks it, and becomes live where it reaches the present", () => {
  const at = stage({ entries: 10, every: 1_000 });
  at.travel.seek(NOW - 10_000);
  const before = at.shown();
  at.travel.play(10);
  at.travel.tick(250);
  assert.equal(at.travel.at, NOW - 7_500);
  assert.deepEqual(at.played, ["chg_1", "chg_2"]);
  assert.equal(at.shown(), before + 2);
  assert.deepEqual([at.travel.state().quiet, at.travel.state().marks.get("changes/chg_2")], [false, 1]);
  at.now += 250;
  at.live(50);
  for (let tick = 0; tick < 8 && at.travel.isPast; tick += 1) at.travel.tick(100);
  assert.deepEqual(at.played, [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => `chg_${n}`));
  at.travel.tick(250);
  assert.equal(at.travel.isPast, false);
  assert.equal(at.shown(), 11);
});

test("play goes on through what the tape has read since", () => {
  const at = stage({ entries: 5, every: 1_000 });
  at.travel.seek(NOW - 2_500);
  at.travel.play(1);
  at.now += 60_000;
  at.live(70, NOW + 10_000);
  for (let second = 0; second < 13; second += 1) at.travel.tick(1_000);
  assert.deepEqual(at.played, ["chg_3", "chg_4", "chg_70"]);
  assert.equal(at.shown(), 6);
});

test("who stands at the edge of what was read sees what the tape reads on, and keeps his marks", () => {
  const at = stage({ entries: 5, every: 1_000 });
  at.travel.seek(NOW - 1_500);
  at.travel.play(1);
  at.now += 60_000;
  at.travel.tick(5_000);
  assert.deepEqual([at.shown(), at.played], [5, ["chg_4"]]);
  at.live(71, NOW + 1_000);
  at.travel.read();
  assert.equal(at.shown(), 6);
  assert.equal(at.travel.state().marks.get("changes/chg_4"), 1);
});

test("it does not go beyond what is known, nor anywhere before the log was read", () => {
  const at = stage();
  at.travel.seek(0);
  assert.equal(at.travel.at, at.tape.from);
  at.tape.from = null;
  at.travel.back();
  assert.equal(at.travel.seek(NOW - 60_000), false);
  assert.equal(at.travel.isPast, false);
});

test("the toggle goes back to where one was last", () => {
  const at = stage({ entries: 200 });
  at.travel.toggle();
  assert.equal(at.travel.at, NOW - 3_600_000);
  at.travel.seek(NOW - 600_000);
  at.travel.toggle();
  assert.equal(at.travel.isPast, false);
  at.travel.toggle();
  assert.equal(at.travel.at, NOW - 600_000);
});

test("a change that is open stays open where it was already there, and is not shown where it was not", () => {
  const at = stage();
  at.store.state = reduce(at.store.state, { type: "open", id: "chg_7" });
  at.travel.seek(NOW - 5 * 60_000);
  assert.equal(at.travel.state().open, null);
  at.travel.seek(NOW - 60_000);
  assert.equal(at.travel.state().open, "chg_7");
});

test("a tape that goes further back shows the same instant, complete", async () => {
  const at = stage({ entries: 900, every: 1_000 });
  const whole = at.tape.entries;
  at.tape.entries = whole.slice(700);
  at.tape.from = at.tape.entries[0].at;
  at.travel.seek(NOW - 1_500);
  at.tape.entries = whole;
  at.tape.from = whole[0].at;
  await at.travel.again();
  assert.equal(at.shown(), 899);
  at.travel.seek(NOW - 600_500);
  assert.equal(at.shown(), 300);
});

test("what the tape reads while it is replayed anew is not forgotten", async () => {
  const at = stage({ entries: 600, every: 1_000 });
  at.travel.seek(NOW - 600);
  const again = at.travel.again();
  at.now += 60_000;
  at.live(601, NOW - 700);
  at.travel.read();
  await again;
  assert.deepEqual([at.travel.isPast, at.shown()], [true, 601]);
});

test("who asked for more than the tape had gets it when the tape goes so far back, unless he has moved on", async () => {
  const at = stage({ entries: 900, every: 1_000 });
  const [whole, { from }] = [at.tape.entries, at.tape];
  const short = () => Object.assign(at.tape, { entries: whole.slice(700), from: whole[700].at });
  short();
  at.travel.seek(NOW - 600_500);
  assert.equal(at.travel.at, at.tape.from);
  Object.assign(at.tape, { entries: whole, from });
  await at.travel.again();
  assert.deepEqual([at.travel.at, at.shown()], [NOW - 600_500, 300]);
  short();
  at.travel.seek(NOW - 600_500);
  at.travel.seek(NOW - 100_500);
  Object.assign(at.tape, { entries: whole, from });
  await at.travel.again();
  assert.equal(at.travel.at, NOW - 100_500);
});

test("rows that the present has forgotten are taken from who knows them", async () => {
  const at = stage();
  at.travel.seek(NOW - 5 * 60_000);
  at.store.state = { ...at.store.state, changes: new Map() };
  await at.travel.know([{ id: "chg_1", vendorName: "V", whole: true, detectedAt: new Date(NOW - 9 * 60_000).toISOString(), state: "new", transitions: [], changes: [] }]);
  assert.equal(at.travel.state().changes.get("chg_1").vendorName, "V");
});
