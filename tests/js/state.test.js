import assert from "node:assert/strict";
import { test } from "node:test";

import { EMPTY, reduce } from "../../redline/dashboard/static/dashboard/state.js";

const AT = "2026-01-02T03:04:05.000Z";

const run = (state, ...actions) => actions.reduce(reduce, state);
const event = (type, data, { news = true, at = AT } = {}) => ({ type: "event", event: { type, data }, at, news });
const detected = (id, more = {}) => event("change.detected", { changeReportId: id, vendorId: "vnd_1", severity: "P2", headline: "H", ...more });
const moved = (id, state, by = "usr_1") => event("change.stateChanged", { changeReportId: id, state, by });
const tick = (runId, vendorId = "vnd_1", startedAt = AT) => event("scheduler.tick", { runId, vendorId, startedAt });
const stage = (runId, name, status, vendorId = "vnd_1") => event("run.stage", { runId, vendorId, stage: name, status });
const row = (id, more = {}) => ({ id, vendorId: "vnd_1", severity: "P1", headline: "H", state: "new", detectedAt: AT, changes: [], transitions: [], whole: true, ...more });

const plain = (state) => JSON.stringify(state, (_, value) => (value instanceof Map ? [...value] : value instanceof Set ? [...value] : value));

test("applying any event twice leaves the same rows as applying it once", () => {
  const events = [
    detected("chg_1"), moved("chg_1", "acknowledged"), tick("run_1"), stage("run_1", "fetch", "started"),
    stage("run_1", "fetch", "failed"), stage("run_1", "publish", "skipped"),
    event("action.delivered", { actionId: "act_1", changeReportId: "chg_1", kind: "slack", status: "delivered", externalId: "C1" }),
    event("org.entitlements.changed", { compliancePack: true, auditorPortal: false, changedAt: AT }),
  ].map((action) => ({ ...action, news: false }));
  for (const [index, action] of events.entries()) {
    const once = run(EMPTY, ...events.slice(0, index + 1));
    assert.equal(plain(run(once, action)), plain(once), action.event.type);
  }
});

test("a reduction leaves the state that it started from untouched", () => {
  const before = run(EMPTY, { type: "rows", list: "changes", rows: [row("chg_1")] });
  const printed = plain(before);
  run(before, detected("chg_2"), moved("chg_1", "resolved"), { type: "intend", id: "chg_1", to: "snoozed" }, { type: "open", id: "chg_1" });
  assert.equal(plain(before), printed);
});

test("a row that an event does not touch stays the same object", () => {
  const before = run(EMPTY, { type: "rows", list: "changes", rows: [row("chg_1"), row("chg_2")] });
  const after = run(before, moved("chg_1", "acknowledged"));
  assert.equal(after.changes.get("chg_2"), before.changes.get("chg_2"));
  assert.notEqual(after.changes.get("chg_1"), before.changes.get("chg_1"));
});

test("a detected change is new, and asks for the rest of its row", () => {
  const state = run(EMPTY, detected("chg_1"));
  assert.equal(state.changes.get("chg_1").state, "new");
  assert.deepEqual([...state.stale], ["changes/chg_1"]);
});

test("a detected change that is already known keeps its state and its clauses", () => {
  const known = row("chg_1", { state: "in-progress", changes: [{ summary: "S" }] });
  const state = run(EMPTY, { type: "rows", list: "changes", rows: [known] }, detected("chg_1"));
  assert.equal(state.changes.get("chg_1").state, "in-progress");
  assert.equal(state.changes.get("chg_1").changes.length, 1);
  assert.equal(state.stale.size, 0);
});

test("a state change of an unknown change is kept until its row is read", () => {
  const state = run(EMPTY, moved("chg_9", "snoozed"));
  assert.equal(state.changes.get("chg_9").state, "snoozed");
  assert.ok(state.stale.has("changes/chg_9"));
});

test("a row that was read is stale no more, and one that is gone is forgotten", () => {
  const known = run(EMPTY, detected("chg_1"), detected("chg_2"), { type: "open", id: "chg_2" });
  const state = run(known, { type: "row", list: "changes", row: row("chg_1") }, { type: "gone", list: "changes", id: "chg_2" });
  assert.equal(state.stale.size, 0);
  assert.deepEqual([...state.changes.keys()], ["chg_1"]);
  assert.equal(state.open, null);
});

test("a list that was loaded replaces what was known of it", () => {
  const state = run(EMPTY, detected("chg_old"), { type: "failed", list: "changes", message: "no" }, { type: "rows", list: "changes", rows: [row("chg_1")] });
  assert.deepEqual([...state.changes.keys()], ["chg_1"]);
  assert.ok(state.loaded.has("changes"));
  assert.equal(state.failures.size, 0);
  assert.equal(state.stale.size, 0);
});

test("only news marks a row: what a reset tells does not", () => {
  const told = run(EMPTY, detected("chg_1"));
  assert.equal(told.marks.get("changes/chg_1"), 1);
  const reset = run(told, { ...moved("chg_1", "new"), news: false });
  assert.equal(reset.marks.get("changes/chg_1"), 1);
});

test("an intention is settled by the event that confirms it", () => {
  const asked = run(EMPTY, { type: "rows", list: "changes", rows: [row("chg_1")] }, { type: "intend", id: "chg_1", to: "acknowledged" });
  assert.equal(asked.pending.get("chg_1"), "acknowledged");
  assert.equal(asked.changes.get("chg_1").state, "new");
  const state = run(asked, moved("chg_1", "acknowledged"));
  assert.equal(state.pending.size, 0);
});

test("another's step does not settle an intention", () => {
  const asked = run(EMPTY, { type: "rows", list: "changes", rows: [row("chg_1")] }, { type: "intend", id: "chg_1", to: "acknowledged" });
  assert.equal(run(asked, moved("chg_1", "resolved")).pending.get("chg_1"), "acknowledged");
});

test("a refusal puts the old state back and says why, until the next try", () => {
  const asked = run(EMPTY, { type: "rows", list: "changes", rows: [row("chg_1")] }, { type: "intend", id: "chg_1", to: "in-progress" });
  const refused = run(asked, { type: "refuse", id: "chg_1", message: "Acknowledge it first." });
  assert.equal(refused.pending.size, 0);
  assert.equal(refused.changes.get("chg_1").state, "new");
  assert.equal(refused.refusals.get("chg_1"), "Acknowledge it first.");
  assert.equal(run(refused, { type: "intend", id: "chg_1", to: "acknowledged" }).refusals.size, 0);
});

test("a run ends with publish, or with the stage that failed", () => {
  const begun = run(EMPTY, tick("run_1"), stage("run_1", "fetch", "started"));
  assert.equal(begun.runs.get("run_1").status, "running");
  assert.equal(run(begun, stage("run_1", "publish", "started")).runs.get("run_1").status, "running");
  for (const [name, status, outcome] of [["publish", "completed", "completed"], ["publish", "skipped", "completed"], ["fetch", "failed", "failed"]]) {
    const ended = run(begun, stage("run_1", name, status));
    assert.equal(ended.runs.get("run_1").status, outcome);
    assert.equal(ended.runs.get("run_1").finishedAt, AT);
    assert.ok(ended.stale.has("runs/run_1") && ended.stale.has("vendors/vnd_1"));
  }
});

test("a day of runs leaves one per vendor, and nothing behind them", () => {
  let state = EMPTY;
  for (let i = 0; i < 1_000; i += 1) {
    const at = new Date(Date.parse(AT) + i * 1000).toISOString();
    state = run(state, tick(`run_${i}`, `vnd_${i % 3}`, at), stage(`run_${i}`, "publish", "skipped", `vnd_${i % 3}`));
  }
  assert.deepEqual([...state.runs.keys()], ["run_997", "run_998", "run_999"]);
  assert.ok(state.marks.size <= 3);
  assert.ok([...state.stale].filter((key) => key.startsWith("runs/")).length <= 3);
});

test("what is resolved is forgotten in the end, what is open never", () => {
  const rows = Array.from({ length: 300 }, (_, i) => row(`chg_${i}`, { state: i < 150 ? "resolved" : "new", detectedAt: `2026-01-01T00:${String(i % 60).padStart(2, "0")}:00.000Z` }));
  const state = run(EMPTY, { type: "rows", list: "changes", rows });
  const states = [...state.changes.values()].map((change) => change.state);
  assert.equal(states.filter((name) => name === "new").length, 150);
  assert.equal(states.filter((name) => name === "resolved").length, 100);
});

test("a failed delivery asks for its reason", () => {
  const state = run(EMPTY, event("action.delivered", { actionId: "act_1", changeReportId: "chg_1", kind: "email", status: "failed" }));
  assert.ok(state.stale.has("actions/act_1"));
});

test("an event of an unknown type and one that was too large change nothing", () => {
  assert.equal(run(EMPTY, event("weather.changed", { degrees: 3 })), EMPTY);
  assert.equal(run(EMPTY, event("change.detected", { oversize: true, bytes: 99999, type: "change.detected", resource: "chg_1" })), EMPTY);
});

test("an action that nobody knows is a mistake, not silence", () => {
  assert.throws(() => reduce(EMPTY, { type: "explode" }), TypeError);
});
