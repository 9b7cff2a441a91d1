import assert from "node:assert/strict";
import { test } from "node:test";

import { Journal } from "../../redline/dashboard/static/dashboard/journal.js";

test("a load is followed by exactly what came while it was under way", () => {
  const journal = new Journal();
  journal.record("before");
  const mark = journal.begin();
  journal.record("a");
  journal.record("b");
  assert.deepEqual(journal.end(mark), ["a", "b"]);
});

test("loads that overlap each get their own stretch, in whichever order they end", () => {
  for (const order of ["first", "second"]) {
    const journal = new Journal();
    const first = journal.begin();
    journal.record("a");
    const second = journal.begin();
    journal.record("b");
    const results = {};
    for (const name of order === "first" ? ["first", "second"] : ["second", "first"]) {
      results[name] = journal.end(name === "first" ? first : second);
    }
    assert.deepEqual(results, { first: ["a", "b"], second: ["b"] });
  }
});

test("nothing is kept while no load is under way", () => {
  const journal = new Journal();
  for (let i = 0; i < 100; i += 1) journal.record(i);
  const mark = journal.begin();
  journal.record("a");
  journal.end(mark);
  journal.record("b");
  assert.equal(journal.length, 0);
});
