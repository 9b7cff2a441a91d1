import assert from "node:assert/strict";
import { test } from "node:test";

import { ago, categoryWords, lasted, linkWords, plural, spoken, spokenTogether, until } from "../../redline/dashboard/static/dashboard/words.js";
import { snoozeUntil } from "../../redline/dashboard/static/dashboard/snooze.js";

const NOW = Date.parse("2026-01-02T03:04:05.000Z");

test("an age is told in one unit", () => {
  for (const [seconds, words] of [[0, "1 s"], [-5, "1 s"], [4, "4 s"], [59, "59 s"], [60, "1 m"], [3599, "59 m"], [3600, "1 h"], [86_399, "23 h"], [86_400, "1 d"], [200_000, "2 d"]]) {
    assert.equal(ago(NOW - seconds * 1000, NOW), words);
  }
});

test("a time that lies ahead is a clock that runs down", () => {
  for (const [seconds, words] of [[42, "00:42"], [0.2, "00:01"], [0, "a moment"], [-9, "a moment"], [3_900, "1:05:00"], [260_000, "3 d"]]) {
    assert.equal(until(NOW + seconds * 1000, NOW), words);
  }
});

test("a duration has the precision that its length deserves", () => {
  assert.deepEqual([480, 3_140, 125_000].map(lasted), ["480 ms", "3.1 s", "2 m 05 s"]);
});

test("one is not many", () => {
  assert.deepEqual([plural(1, "change"), plural(0, "change"), plural(2, "change")], ["1 change", "0 changes", "2 changes"]);
});

test("every state of the link has its own sentence", () => {
  const link = { mode: "live", attempt: 3, nextAt: NOW + 1_900, lostAt: NOW - 14_000, lastEventAt: NOW - 4_000, every: 2_000, reason: null };
  const long = (more) => linkWords({ ...link, ...more }, NOW).long;
  assert.equal(long({}), "Live — last event 4 s ago");
  assert.equal(long({ lastEventAt: null }), "Live — no event yet");
  assert.equal(long({ mode: "recovering" }), "Reconnecting — attempt 3, next in 2 s");
  assert.equal(long({ mode: "recovering", nextAt: null }), "Reconnecting — attempt 3");
  assert.equal(long({ mode: "polling" }), "Polling every 2 s — stream lost 14 s ago");
  assert.match(long({ mode: "offline" }), /^Offline — as of 14 s ago/);
  assert.match(long({ mode: "stopped", reason: "auth_expired" }), /sign in again/);
  assert.match(long({ mode: "stopped", reason: "disabled" }), /switched off/);
  assert.match(long({ mode: "stopped", reason: "something-new" }), /reload/);
  assert.equal(long({ mode: "connecting" }), "Connecting…");
});

test("only a detected change is spoken, with severity and headline", () => {
  const name = () => "Notary";
  assert.equal(spoken({ type: "change.detected", data: { severity: "P1", vendorId: "v", headline: "Shrinks" } }, name), "P1, Notary: Shrinks");
  for (const type of ["run.stage", "scheduler.tick", "action.delivered", "change.stateChanged"]) assert.equal(spoken({ type, data: {} }, name), null);
});

test("many at once are one sentence", () => {
  assert.equal(spokenTogether(["a", "b"]), "a. b");
  assert.equal(spokenTogether(["a", "b", "c"]), "3 new changes, the last: c");
});

test("a snooze ends in the reader's own morning", () => {
  const friday = new Date(2026, 0, 2, 17, 30);
  assert.equal(snoozeUntil("tomorrow", friday), new Date(2026, 0, 3, 9).toISOString());
  assert.equal(snoozeUntil("monday", friday), new Date(2026, 0, 5, 9).toISOString());
  assert.equal(snoozeUntil("monday", new Date(2026, 0, 5, 8)), new Date(2026, 0, 12, 9).toISOString());
  assert.equal(snoozeUntil("monday", new Date(2026, 0, 4, 8)), new Date(2026, 0, 5, 9).toISOString());
  assert.equal(snoozeUntil("1-hour", friday), new Date(2026, 0, 2, 18, 30).toISOString());
});

test("a category is named as people write it, and one that is new as it comes", () => {
  assert.deepEqual(["sla", "subprocessor", "terms", "novel"].map(categoryWords), ["SLA", "Sub-processors", "Terms", "novel"]);
});

test("live, the line says how long the newest event took; in the past, that the board shows something else", () => {
  const link = { mode: "live", lastEventAt: NOW - 4_000 };
  assert.deepEqual(linkWords(link, NOW, { latency: 11.4 }), { short: "Live · 4 s · 11 ms", long: "Live — last event 4 s ago, 11 ms from commit to screen" });
  assert.equal(linkWords(link, NOW, { latency: 11, isPast: true }).long, "In the past — the stream goes on, last event 4 s ago");
  assert.equal(linkWords({ ...link, mode: "offline", lostAt: NOW - 1_000 }, NOW, { isPast: true }).short, "Offline");
});
