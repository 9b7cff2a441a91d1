import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Chronicle } from "../../redline/dashboard/static/dashboard/chronicle.js";
import { Minutes } from "../../redline/dashboard/static/dashboard/minutes.js";
import { Refusal, Rest } from "../../redline/dashboard/static/dashboard/rest.js";

const NOON = Date.parse("2026-03-01T12:00:00.000Z");
const settled = async () => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};

function stage(t) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const at = { now: NOON, unread: [], reads: 0, told: [], isHidden: false, refusal: null, minutes: new Minutes() };
  at.tape = {
    from: null,
    entries: [],
    async follow() {
      at.reads += 1;
      if (at.refusal) throw at.refusal;
      const fresh = at.unread.splice(0);
      at.tape.from ??= NOON;
      at.tape.entries = [...at.tape.entries, ...fresh];
      return fresh;
    },
  };
  const clock = { isSet: true, now: () => at.now, set: async () => {} };
  const screen = { isHidden: () => at.isHidden, afterFrame: (callback) => callback() };
  at.chronicle = new Chronicle({ tape: at.tape, minutes: at.minutes, clock, screen, onRead: () => {}, onLatency: (took) => at.told.push(took) });
  at.commit = (id, emittedAt = at.now) => at.unread.push({ id, at: emittedAt, emittedAt, event: {} });
  at.pass = async (milliseconds) => {
    at.now += milliseconds;
    mock.timers.tick(milliseconds);
    await settled();
  };
  return at;
}

test("a quiet board asks nothing, a busy one every ten seconds", async (t) => {
  const at = stage(t);
  await at.chronicle.follow();
  await at.pass(3_600_000);
  assert.equal(at.reads, 1);
  for (let second = 0; second < 60; second += 1) {
    at.chronicle.happened(`e.${second}.0`, { isShown: true });
    await at.pass(1_000);
  }
  assert.equal(at.reads, 7);
});

test("what was painted is compared with its commit once the log is read, and one of them is told", async (t) => {
  const at = stage(t);
  await at.chronicle.follow();
  for (const [id, took] of [["e.1.0", 11], ["e.2.0", 38], ["e.3.0", 20]]) {
    at.commit(id, at.now - took);
    at.chronicle.happened(id, { isShown: true });
  }
  await at.pass(10_000);
  assert.deepEqual(at.minutes.samples(NOON, at.now).sort((a, b) => a - b), [11, 20, 38]);
  assert.deepEqual([at.told, at.chronicle.latest], [[20], 20]);
});

test("what nobody could see is not measured: in a hidden tab, in the past, or of the state", async (t) => {
  const at = stage(t);
  await at.chronicle.follow();
  for (const id of ["e.1.0", "e.2.0", "e.3.0"]) at.commit(id);
  at.chronicle.happened("e.1.0", { isShown: false });
  at.chronicle.happened(null, { isShown: true });
  at.isHidden = true;
  at.chronicle.happened("e.3.0", { isShown: true });
  await at.pass(30_000);
  assert.equal(at.reads, 1, "nobody looks: nothing is asked");
  at.isHidden = false;
  await at.pass(30_000);
  assert.equal(at.reads, 2);
  assert.deepEqual([at.minutes.samples(NOON, at.now), at.told], [[], []]);
  assert.equal(at.minutes.count(NOON), 3);
});

test("a paint that the log has not reached yet waits for the next reading", async (t) => {
  const at = stage(t);
  await at.chronicle.follow();
  at.chronicle.happened("e.1.0", { isShown: true });
  await at.pass(10_000);
  assert.deepEqual(at.told, []);
  at.commit("e.1.0", NOON - 10);
  await at.chronicle.follow();
  assert.deepEqual(at.told, [10]);
});

test("what was counted stays counted although the tape lets go of it", async (t) => {
  const at = stage(t);
  at.commit("e.1.0");
  await at.chronicle.follow();
  Object.assign(at.tape, { from: NOON + 60_000, entries: [] });
  at.now += 120_000;
  await at.chronicle.follow();
  assert.deepEqual([at.chronicle.since, at.minutes.count(NOON)], [NOON, 1]);
});

test("what cannot be read now is read later", async (t) => {
  const at = stage(t);
  at.refusal = new Refusal({ status: 0, message: "away" });
  assert.equal(await at.chronicle.follow(), false);
  at.refusal = null;
  at.commit("e.1.0");
  await at.pass(30_000);
  assert.deepEqual([at.reads, at.minutes.count(NOON)], [2, 1]);
});

test("one row that is not there is null, any other refusal is told", async () => {
  const answers = [[404, { error: { code: "not-found", message: "There is no such event." } }], [500, {}], [200, { id: "e.1.0" }]];
  const fetch = async () => {
    const [status, body] = answers.shift();
    return new Response(JSON.stringify(body), { status });
  };
  const rest = new Rest({ api: "/v1", org: { id: "org_1" }, csrf: "c" }, fetch);
  assert.equal(await rest.find("events", 1), null);
  await assert.rejects(rest.find("events", 1), Refusal);
  assert.deepEqual(await rest.find("events", 1), { id: "e.1.0" });
});
