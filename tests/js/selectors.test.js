import assert from "node:assert/strict";
import { test } from "node:test";

import { EMPTY, reduce } from "../../redline/dashboard/static/dashboard/state.js";
import * as selectors from "../../redline/dashboard/static/dashboard/selectors.js";

const change = (id, severity, state, minute) => ({ id, severity, state, vendorId: "vnd_1", detectedAt: `2026-01-01T00:${minute}:00.000Z` });
const withRows = (list, ...rows) => reduce(EMPTY, { type: "rows", list, rows });
const ids = (rows) => rows.map((row) => row.id);

test("the worst stands first, and among equals the newest", () => {
  const state = withRows("changes", change("c", "P3", "new", "59"), change("b", "P1", "new", "10"), change("a", "P1", "acknowledged", "20"), change("d", "P2", "new", "30"));
  assert.deepEqual(ids(selectors.shelf(state, "open")), ["a", "b", "d", "c"]);
});

test("what one reads stays on its shelf when it moves to another", () => {
  const state = withRows("changes", change("a", "P1", "resolved", "10"), change("b", "P2", "new", "10"));
  assert.deepEqual(ids(selectors.shelf(state, "open")), ["b"]);
  assert.deepEqual(ids(selectors.shelf({ ...state, open: "a" }, "open")), ["a", "b"]);
});

test("counts follow what is shown, and an intention is shown at once", () => {
  const state = withRows("changes", change("a", "P1", "new", "10"), change("b", "P1", "snoozed", "10"), change("c", "P2", "resolved", "10"));
  assert.deepEqual(selectors.severityCounts(state), { P1: 1, P2: 0, P3: 0 });
  const asked = reduce(state, { type: "intend", id: "a", to: "resolved" });
  assert.deepEqual(selectors.severityCounts(asked), { P1: 0, P2: 0, P3: 0 });
  assert.deepEqual(selectors.shelfCounts(asked), { open: 0, snoozed: 1, resolved: 2 });
});

test("a row of which only a state is known is not shown yet", () => {
  const state = reduce(EMPTY, { type: "event", at: "2026-01-01T00:00:00.000Z", news: true, event: { type: "change.stateChanged", data: { changeReportId: "x", state: "new", by: "usr_1" } } });
  assert.deepEqual(selectors.shelf(state, "open"), []);
  assert.equal(selectors.shelfCounts(state).open, 0);
});

test("a change moves only along the transitions that the server allows, and not twice at once", () => {
  const state = withRows("changes", change("a", "P1", "new", "10"), change("r", "P1", "resolved", "10"), change("s", "P1", "snoozed", "10"));
  const may = (id, to, from = state) => selectors.mayMove(from, from.changes.get(id), to);
  assert.ok(may("a", "acknowledged") && may("a", "snoozed") && may("a", "resolved"));
  assert.ok(!may("a", "in-progress"));
  assert.ok(may("s", "acknowledged") && !may("s", "snoozed"));
  assert.ok(!may("r", "acknowledged"));
  assert.ok(!may("a", "resolved", reduce(state, { type: "intend", id: "a", to: "acknowledged" })));
});

const stages = (...pairs) => pairs.map(([stage, status]) => ({ stage, status }));

test("progress counts the stages behind a run, skipped ones too", () => {
  const running = { status: "running", stages: stages(["fetch", "completed"], ["diff", "skipped"], ["reason", "started"]) };
  assert.deepEqual(selectors.progressOf(running), { done: 2, total: 6, current: "reason", failed: false });
  const failed = { status: "failed", stages: stages(["fetch", "failed"]) };
  assert.deepEqual(selectors.progressOf(failed), { done: 0, total: 6, current: "fetch", failed: true });
  assert.equal(selectors.progressOf({ status: "completed", stages: [] }).done, 6);
  assert.equal(selectors.progressOf({ status: "running", stages: [] }).current, "fetch");
});

test("a vendor that is shown keeps its place, a newcomer takes one that has become free", () => {
  assert.deepEqual(selectors.places(["a", "b", "c"], ["c", "a", "d"]), ["a", "d", "c"]);
  assert.deepEqual(selectors.places([], ["b", "a"]), ["b", "a"]);
  assert.deepEqual(selectors.places(["a", "b"], ["b"]), ["b"]);
  assert.deepEqual(selectors.places(["a"], ["b", "a", "c"]), ["a", "b", "c"]);
});

test("the next vendor is the soonest that is watched and not running", () => {
  const vendor = (id, second, more = {}) => ({ id, name: id, isWatched: true, nextRunAt: `2026-01-01T00:00:${second}.000Z`, ...more });
  let state = withRows("vendors", vendor("late", "50"), vendor("busy", "10"), vendor("soon", "20"), vendor("off", "05", { isWatched: false }));
  state = reduce(state, { type: "rows", list: "runs", rows: [{ id: "run_1", vendorId: "busy", status: "running", stages: [] }] });
  assert.equal(selectors.nextVendor(state).id, "soon");
  assert.equal(selectors.nextVendor(EMPTY), null);
});

test("a vendor needs a look while its last run is a failed one", () => {
  let state = withRows("vendors", { id: "v", name: "V", isWatched: true });
  state = reduce(state, { type: "rows", list: "runs", rows: [{ id: "run_1", vendorId: "v", status: "failed", startedAt: "2026-01-01T00:00:00.000Z", stages: [] }] });
  assert.deepEqual(ids(selectors.vendorsToLookAt(state)), ["v"]);
  state = reduce(state, { type: "event", at: "", news: true, event: { type: "scheduler.tick", data: { runId: "run_2", vendorId: "v", startedAt: "2026-01-01T00:01:00.000Z" } } });
  assert.deepEqual(ids(selectors.vendorsToLookAt(state)), []);
});

test("the line begins with what the rows tell of the last minute, the oldest first", () => {
  let state = withRows("changes", change("a", "P1", "new", "10"), change("b", "P2", "new", "05"));
  state = reduce(state, { type: "rows", list: "actions", rows: [{ id: "act", status: "delivered", createdAt: "2026-01-01T00:08:00.000Z" }] });
  const events = selectors.recentEvents(state, Date.parse("2026-01-01T00:06:00.000Z"));
  assert.deepEqual(events.map(({ event }) => event.type), ["action.delivered", "change.detected"]);
});
