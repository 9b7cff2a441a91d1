import assert from "node:assert/strict";
import { test } from "node:test";

import { excerpt, isShortened, opsOf, spread } from "../../redline/dashboard/static/dashboard/diff.js";

const LONG = "word ".repeat(200).trim();

test("differences are never shortened, what is equal only away from them", () => {
  const ops = [["equal", LONG], ["delete", LONG], ["insert", LONG], ["equal", LONG], ["insert", "x"], ["equal", LONG]];
  const short = excerpt(ops, 40);
  assert.deepEqual(short.map(([op]) => op), ops.map(([op]) => op));
  assert.equal(short[1][1], LONG);
  assert.equal(short[2][1], LONG);
  assert.match(short[0][1], /^ … word .*word$/);
  assert.match(short[3][1], /^word .* … .*word$/);
  assert.match(short[5][1], /word … $/);
  assert.ok(isShortened(ops));
});

test("what is short stays as it is", () => {
  const ops = [["equal", "We may "], ["delete", "not "], ["equal", "change this."]];
  assert.deepEqual(excerpt(ops), ops);
  assert.ok(!isShortened(ops));
});

test("without ops the whole of before and after is shown", () => {
  assert.deepEqual(opsOf({ ops: [], before: "old", after: "new" }), [["delete", "old"], ["insert", "new"]]);
  assert.deepEqual(opsOf({ before: "", after: "new" }), [["insert", "new"]]);
  assert.deepEqual(opsOf({}), []);
});

test("space at the ends of a difference is outside it, and none is lost", () => {
  const ops = [["equal", "kept "], ["delete", "ninety "], ["insert", "thirty "], ["equal", "days"]];
  const parts = spread(ops);
  assert.deepEqual(parts, [["equal", "kept "], ["delete", "ninety"], ["equal", " "], ["insert", "thirty"], ["equal", " "], ["equal", "days"]]);
  assert.equal(parts.filter(([op]) => op !== "delete").map(([, text]) => text).join("").replace(/ +/g, " "), "kept thirty days");
});

test("what went and what came in its place do not run together", () => {
  assert.deepEqual(spread([["delete", "90"], ["insert", "30"]]), [["delete", "90"], ["equal", " "], ["insert", "30"]]);
});
