// Reads over the state: what stands on the board, in which order. Pure.

export const SEVERITIES = ["P1", "P2", "P3"];
export const STAGES = ["fetch", "diff", "reason", "classify", "route", "publish"];

const OPEN_STATES = new Set(["new", "acknowledged", "in-progress"]);
const MOVES = {
  new: ["acknowledged", "snoozed", "resolved"],
  acknowledged: ["in-progress", "snoozed", "resolved"],
  "in-progress": ["snoozed", "resolved"],
  snoozed: ["acknowledged", "resolved"],
  resolved: [],
};

/** Return the state that a change shows: the one that was asked for, until the server has spoken. */
export function shownState(state, change) {
  return state.pending.get(change.id) ?? change.state;
}

export function mayMove(state, change, to) {
  return !state.pending.has(change.id) && (MOVES[change.state] ?? []).includes(to);
}

/** Return the shelf that a change lies on: open, snoozed or resolved. */
export function shelfOf(state, change) {
  const shown = shownState(state, change);
  return OPEN_STATES.has(shown) ? "open" : shown;
}

/** Return a shelf's changes, the worst first and among equals the newest; the one being read stays where it is. */
export function shelf(state, name) {
  const rows = [...state.changes.values()].filter((row) => row.severity);
  return rows.filter((row) => row.id === state.open || shelfOf(state, row) === name).sort(byWeight);
}

export function shelfCounts(state) {
  const counts = { open: 0, snoozed: 0, resolved: 0 };
  for (const row of state.changes.values()) if (row.severity) counts[shelfOf(state, row)] += 1;
  return counts;
}

/** Return how many changes of each severity ask for somebody. */
export function severityCounts(state) {
  const counts = { P1: 0, P2: 0, P3: 0 };
  for (const row of state.changes.values()) if (row.severity && shelfOf(state, row) === "open") counts[row.severity] += 1;
  return counts;
}

function byWeight(a, b) {
  if (a.severity !== b.severity) return a.severity < b.severity ? -1 : 1;
  if (a.detectedAt !== b.detectedAt) return a.detectedAt < b.detectedAt ? 1 : -1;
  return a.id < b.id ? 1 : -1;
}

export function vendorName(state, vendorId, given = "") {
  return state.vendors.get(vendorId)?.name || given || "A vendor";
}

/** Return the runs to show: those under way, then those that ended last. */
export function shownRuns(state, most = 6) {
  const runs = [...state.runs.values()];
  const running = runs.filter((run) => run.status === "running").sort((a, b) => later(b.startedAt, a.startedAt));
  const ended = runs.filter((run) => run.status !== "running").sort((a, b) => later(a.finishedAt, b.finishedAt));
  return [...running, ...ended].slice(0, Math.max(most, running.length));
}

/**
 * Return the wanted keys in an order in which those that were shown keep their places: a newcomer takes a place that
 * has become free, or the end. Ranked anew at each event the list of runs would hop all day.
 */
export function places(shown, wanted) {
  const newcomers = wanted.filter((key) => !shown.includes(key));
  const kept = shown.map((key) => (wanted.includes(key) ? key : newcomers.shift())).filter((key) => key !== undefined);
  return [...kept, ...newcomers];
}

function later(a, b) {
  const [x, y] = [String(a ?? ""), String(b ?? "")];
  return x === y ? 0 : x < y ? 1 : -1;
}

/** Return where a run stands: how many of the six stages lie behind it, and the stage that speaks for it. */
export function progressOf(run) {
  const by = new Map(run.stages.map((stage) => [stage.stage, stage]));
  const behind = STAGES.filter((name) => ["completed", "skipped"].includes(by.get(name)?.status)).length;
  const failed = run.stages.find((stage) => stage.status === "failed");
  const current = failed ?? run.stages.find((stage) => stage.status === "started");
  const last = STAGES.filter((name) => by.has(name)).at(-1);
  const done = run.status === "completed" ? STAGES.length : behind;
  return { done, total: STAGES.length, current: current?.stage ?? last ?? STAGES[0], failed: Boolean(failed) || run.status === "failed" };
}

/** Return how many changes on the board a run has found. */
export function changesOf(state, run) {
  return [...state.changes.values()].filter((row) => row.runId === run.id).length;
}

/** Return the watched vendor whose run comes next, leaving out those that are running. */
export function nextVendor(state) {
  const busy = new Set([...state.runs.values()].filter((run) => run.status === "running").map((run) => run.vendorId));
  const waiting = [...state.vendors.values()].filter((row) => row.isWatched !== false && row.nextRunAt && !busy.has(row.id));
  return waiting.sort((a, b) => later(b.nextRunAt, a.nextRunAt))[0] ?? null;
}

export function watchedVendors(state) {
  return [...state.vendors.values()].filter((row) => row.isWatched !== false);
}

/** Return the vendors whose last run failed: somebody should look at their pages. */
export function vendorsToLookAt(state) {
  const failed = new Set([...state.runs.values()].filter((run) => run.status === "failed").map((run) => run.vendorId));
  return watchedVendors(state).filter((row) => failed.has(row.id));
}

export function latestActions(state, most = 6) {
  return [...state.actions.values()].sort((a, b) => later(a.at ?? a.createdAt, b.at ?? b.createdAt)).slice(0, most);
}

/** Return what happened since an instant as far as the rows tell, as events with their instants, the oldest first. */
export function recentEvents(state, since) {
  const found = [];
  const add = (at, type, data) => at && Date.parse(at) > since && found.push({ event: { type, data }, at: Date.parse(at) });
  for (const row of state.changes.values()) add(row.detectedAt, "change.detected", row);
  for (const row of state.runs.values()) {
    add(row.startedAt, "scheduler.tick", row);
    add(row.finishedAt, "run.stage", { status: row.status });
  }
  for (const row of state.actions.values()) add(row.deliveredAt ?? row.createdAt, "action.delivered", row);
  return found.sort((a, b) => a.at - b.at);
}
