import assert from "node:assert/strict";
import { test } from "node:test";

import { covers } from "../../streaming/static/streaming/cursor.js";

const cases = [
  ["the same place", "7f3a.41.9c02e1aa", "7f3a.41.9c02e1aa", true],
  ["an earlier one", "7f3a.41.9c02e1aa", "7f3a.9.00000000", true],
  ["a later one", "7f3a.9.9c02e1aa", "7f3a.41.9c02e1aa", false],
  ["beyond what a double can tell apart", "7f3a.900000000000000001.9c02e1aa", "7f3a.900000000000000002.9c02e1aa", false],
  ["another log", "7f3a.41.9c02e1aa", "7f3b.1.9c02e1aa", false],
  ["nowhere yet", null, "7f3a.1.9c02e1aa", false],
  ["no cursor at all", "7f3a.41.9c02e1aa", "", false],
  ["what no server writes", "7f3a.041.9c02e1aa", "7f3a.1.9c02e1aa", false],
];

for (const [name, cursor, id, expected] of cases) {
  test(`a cursor and ${name}: ${expected ? "has it" : "does not have it"}`, () => assert.equal(covers(cursor, id), expected));
}
