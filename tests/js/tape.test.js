// The tape against a log that behaves as the polling twin is documented.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Refusal } from "../../redline/dashboard/static/dashboard/rest.js";
import { Tape } from "../../redline/dashboard/static/dashboard/tape.js";

const NOW = Date.parse("2026-03-01T12:00:00.000Z");

class Log {
  entries = [];
  asked = [];
  floor = 1;
  hidden = new Set();
  epoch = "e";

  write(count, every = 1_000) {
    for (let n = 0; n < count; n += 1) this.entries.push({ sequence: this.entries.length + 1, at: NOW - 1_000_000 + this.entries.length * every });
  }

  id = (sequence) => `${this.epoch}.${sequence}.00000000`;
  shown = ({ sequence, at }) => ({ id: this.id(sequence), event: "run.stage", data: { n: sequence }, sequence, emittedAt: new Date(at).toISOString() });

  async read(path, { after, limit }) {
    this.asked.push(`${path} ${after} ${limit}`);
    const head = this.entries.length;
    if (after === undefined) return { events: [], cursor: this.id(head), hasMore: false };
    if (after !== "0" && !after.startsWith(`${this.epoch}.`)) throw new Refusal({ status: 410, message: "gone" });
    const from = after === "0" ? this.floor - 1 : Number(after.split(".")[1]);
    const end = Math.min(head, from + Number(limit));
    const events = this.entries.slice(from, end).filter(({ sequence }) => !this.hidden.has(sequence)).map(this.shown);
    return { events, cursor: this.id(end), hasMore: end < head };
  }

  async find(name, sequence) {
    this.asked.push(`${name} ${sequence}`);
    const entry = this.entries[sequence - 1];
    return entry && sequence >= this.floor && !this.hidden.has(sequence) ? this.shown(entry) : null;
  }
}

function stage({ entries = 0, most = 1_000, every, now = NOW } = {}) {
  const log = new Log();
  log.write(entries, every);
  const at = { log, now };
  at.tape = new Tape({ rest: log, path: "/v1/stream", most, now: () => at.now });
  at.numbers = () => at.tape.entries.map(({ event }) => event.data.n);
  return at;
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index);

test("a short log is read whole, page by page, and then only what is new", async () => {
  const { log, tape, numbers } = stage({ entries: 900 });
  assert.equal((await tape.follow()).length, 900);
  assert.deepEqual(numbers(), range(1, 900));
  assert.deepEqual([tape.isWhole, tape.from], [true, tape.entries[0].at]);
  log.write(7);
  assert.deepEqual((await tape.follow()).map(({ event }) => event.data.n), range(901, 907));
  assert.deepEqual(numbers(), range(1, 907));
});

test("of a long log the newest are read, without going through the rest, and none is missing", async () => {
  const { log, tape, numbers } = stage({ entries: 100_000, most: 1_000, every: 10 });
  await tape.follow();
  assert.ok(log.asked.length < 10, `${log.asked.length} requests`);
  assert.equal(tape.isWhole, false);
  assert.equal(numbers().at(-1), 100_000);
  assert.deepEqual(numbers(), range(100_000 - numbers().length + 1, 100_000));
  assert.ok(numbers().length > 900 && numbers().length <= 1_000, `${numbers().length}`);
});

test("hidden and trimmed entries do not keep it from finding its place", async () => {
  const { log, tape, numbers } = stage({ entries: 5_000, most: 1_000, every: 10 });
  log.hidden.add(4_000);
  log.floor = 900;
  await tape.follow();
  assert.deepEqual(numbers(), range(4_002, 5_000));
});

test("whoever travels reads deeper, and what came meanwhile is there once", async () => {
  const { log, tape, numbers } = stage({ entries: 5_000, most: 1_000, every: 10 });
  await tape.follow();
  log.write(3, 10);
  await Promise.all([tape.deepen(4_000), tape.follow(), tape.follow()]);
  assert.equal(numbers().at(-1), 5_003);
  assert.deepEqual(numbers(), range(5_003 - numbers().length + 1, 5_003));
  assert.ok(numbers().length > 3_900);
});

test("two who ask at the same time are told of each entry once, and the tape has it once", async () => {
  const { log, tape, numbers } = stage({ entries: 10 });
  await tape.follow();
  log.write(5);
  const told = await Promise.all([tape.follow(), tape.follow()]);
  assert.deepEqual(told.flat().map(({ event }) => event.data.n), range(11, 15));
  assert.deepEqual(numbers(), range(1, 15));
});

test("it holds no more than it may, and nothing older than a day", async () => {
  const at = stage({ entries: 500, most: 500 });
  await at.tape.follow();
  at.log.write(300);
  await at.tape.follow();
  assert.deepEqual(at.numbers(), range(301, 800));
  assert.equal(at.tape.from, at.tape.entries[0].at);
  at.now += 24 * 3_600_000 - 1_000_000 + 700_000;
  await at.tape.follow();
  assert.deepEqual(at.numbers(), range(701, 800));
  assert.equal(at.tape.from, at.now - 24 * 3_600_000, "nothing is missing since then");
});

test("an empty log is known from now on", async () => {
  const { log, tape, numbers } = stage();
  await tape.follow();
  assert.deepEqual([tape.from, tape.isWhole], [NOW, true]);
  log.write(2);
  await tape.follow();
  assert.deepEqual(numbers(), [1, 2]);
});

test("instants never go back although transactions overlap, and the entry's own is kept", async () => {
  const { log, tape } = stage({ entries: 3 });
  log.entries[1].at = log.entries[0].at - 5_000;
  await tape.follow();
  const [first, second, third] = tape.entries;
  assert.deepEqual([second.at, second.emittedAt], [first.at, first.at - 5_000]);
  assert.ok(third.at > second.at);
});

test("a log that was replaced is read anew, and a reading that failed does no harm", async () => {
  const { log, tape, numbers } = stage({ entries: 20 });
  await tape.follow();
  log.epoch = "f";
  log.entries = log.entries.slice(0, 5);
  const read = log.read;
  log.read = async () => {
    throw new Refusal({ status: 0, message: "away" });
  };
  await assert.rejects(tape.follow(), { status: 0 });
  assert.deepEqual(numbers(), range(1, 20));
  log.read = read;
  assert.equal((await tape.follow()).length, 5);
  assert.deepEqual(numbers(), range(1, 5));
});
