// What the board knows, as one value, and how it becomes the next one: (state, action) → state.
//
// Pure: no DOM, no clock, no network; instants come in with the action. Rows that nothing has touched stay the same
// object, so a view may compare by identity. Events *set*, they never add: applying one twice changes nothing, which
// is why whatever came during a load can simply be applied again after it.
//
//   rows(list, rows)   a list as REST has it     event(event, at, news)   what the stream said
//   row(list, row)     one row of it             intend → settle | refuse a button, optimistic until the server spoke
//   gone(list, id)     it is not there           open(id), close          what is being read
//   failed(list, why)  it could not be loaded

const MOST_ACTIONS = 60;
const MOST_RESOLVED = 100;
const STAGES_LAST = "publish";

export const EMPTY = Object.freeze({
  changes: new Map(),
  runs: new Map(),
  actions: new Map(),
  vendors: new Map(),
  entitlements: null,
  loaded: new Set(),
  failures: new Map(),
  stale: new Set(), // "changes/chg_…": the stream said less than a row shows, REST has the rest
  pending: new Map(), // change id → state that was asked for and is not yet confirmed
  refusals: new Map(), // change id → why not
  marks: new Map(), // "changes/chg_…" → how often news has touched it
  open: null,
  quiet: false, // what differs from the state before is no news: the board went to another instant
});

const REDUCERS = {
  rows: (state, { list, rows }) => withRows(state, list, rows),
  row: (state, { list, row }) => withRow(state, list, row),
  gone: (state, { list, id }) => withoutRow(state, list, id),
  failed: (state, { list, message }) => ({ ...state, failures: new Map(state.failures).set(list, message) }),
  event: (state, action) => withEvent(state, action),
  intend: (state, { id, to }) => ({
    ...state,
    pending: new Map(state.pending).set(id, to),
    refusals: without(state.refusals, id),
  }),
  settle: (state, { id }) => ({ ...state, pending: without(state.pending, id) }),
  refuse: (state, { id, message }) => ({
    ...state,
    pending: without(state.pending, id),
    refusals: new Map(state.refusals).set(id, message),
  }),
  open: (state, { id }) => (state.open === id ? state : { ...state, open: id, refusals: without(state.refusals, id) }),
  close: (state) => (state.open === null ? state : { ...state, open: null }),
};

/** Return the state after an action; an action that is not known is a mistake of the caller. */
export function reduce(state, action) {
  const reducer = REDUCERS[action.type];
  if (!reducer) throw new TypeError(`unknown action ${action.type}`);
  return reducer(state, action);
}

function withRows(state, list, rows) {
  const loaded = new Set(state.loaded).add(list);
  const failures = without(state.failures, list);
  if (list === "entitlements") return { ...state, entitlements: rows[0] ?? null, loaded, failures };
  const stale = new Set([...state.stale].filter((key) => !key.startsWith(`${list}/`)));
  return trimmed({ ...state, [list]: new Map(rows.map((row) => [row.id, row])), loaded, failures, stale }, list);
}

function withRow(state, list, row) {
  const stale = new Set(state.stale);
  stale.delete(`${list}/${row.id}`);
  return trimmed({ ...state, [list]: new Map(state[list]).set(row.id, row), stale }, list);
}

function withoutRow(state, list, id) {
  const stale = new Set(state.stale);
  stale.delete(`${list}/${id}`);
  return { ...state, [list]: without(state[list], id), stale, open: list === "changes" && state.open === id ? null : state.open };
}

function withEvent(state, { event, at, news }) {
  const apply = EVENTS[event.type];
  if (!apply || event.data.oversize) return state;
  const { list, row, stale = [] } = apply(state, event.data, at);
  const next = { ...state };
  if (list === "entitlements") next.entitlements = row;
  else next[list] = new Map(state[list]).set(row.id, row);
  if (stale.length) next.stale = new Set([...state.stale, ...stale]);
  const key = list === "entitlements" ? list : `${list}/${row.id}`;
  if (news) next.marks = new Map(state.marks).set(key, (state.marks.get(key) ?? 0) + 1);
  if (list === "changes" && state.pending.get(row.id) === row.state) next.pending = without(state.pending, row.id);
  return trimmed(next, list);
}

const EVENTS = {
  "scheduler.tick": (state, data) => ({
    list: "runs",
    row: { ...runOf(state, data), startedAt: data.startedAt },
    stale: state.vendors.has(data.vendorId) ? [] : [`vendors/${data.vendorId}`],
  }),

  "run.stage": (state, data, at) => {
    const run = runOf(state, data);
    const others = run.stages.filter((stage) => stage.stage !== data.stage);
    const stage = { stage: data.stage, status: data.status, durationMs: data.durationMs ?? null };
    const ended = data.status === "failed" || (data.stage === STAGES_LAST && data.status !== "started");
    const row = { ...run, stages: [...others, stage] };
    if (!ended) return { list: "runs", row };
    Object.assign(row, { status: data.status === "failed" ? "failed" : "completed", finishedAt: run.finishedAt ?? at });
    return { list: "runs", row, stale: [`runs/${row.id}`, `vendors/${data.vendorId}`] };
  },

  "change.detected": (state, data, at) => {
    const known = state.changes.get(data.changeReportId);
    const { vendorId, severity, headline } = data;
    const fresh = { state: "new", detectedAt: at, changes: [], transitions: [] };
    const row = { ...fresh, ...known, id: data.changeReportId, vendorId, severity, headline };
    return { list: "changes", row, stale: known?.whole ? [] : [`changes/${row.id}`] };
  },

  "change.stateChanged": (state, data, at) => {
    const known = state.changes.get(data.changeReportId) ?? { detectedAt: at, changes: [], transitions: [] };
    const row = { ...known, id: data.changeReportId, state: data.state, by: data.by, movedAt: at };
    return { list: "changes", row, stale: [`changes/${row.id}`] };
  },

  "action.delivered": (state, data, at) => {
    const known = state.actions.get(data.actionId);
    const { changeReportId, kind, status, externalId } = data;
    const row = { createdAt: at, ...known, id: data.actionId, changeReportId, kind, status, at };
    if (externalId) row.externalId = externalId;
    return { list: "actions", row, stale: status === "failed" ? [`actions/${row.id}`] : [] };
  },

  "org.entitlements.changed": (state, data) => ({ list: "entitlements", row: { ...state.entitlements, ...data } }),
};

function runOf(state, { runId, vendorId }) {
  const known = state.runs.get(runId);
  return known ?? { id: runId, vendorId, startedAt: null, finishedAt: null, status: "running", stages: [] };
}

// A board stays open all day: what has no place on it any more is dropped, or a cadence of ten seconds would have
// collected a hundred thousand runs by the evening.
function trimmed(state, list) {
  if (list === "runs") return { ...state, ...kept(state, "runs", newestPerVendor(state.runs)) };
  if (list === "actions") return { ...state, ...kept(state, "actions", newest(state.actions, MOST_ACTIONS, (row) => row.createdAt)) };
  if (list === "changes") return { ...state, ...kept(state, "changes", withFewResolved(state)) };
  return state;
}

function kept(state, list, rows) {
  if (rows.size === state[list].size) return {};
  const lost = (key) => key.startsWith(`${list}/`) && !rows.has(key.slice(list.length + 1));
  return {
    [list]: rows,
    stale: new Set([...state.stale].filter((key) => !lost(key))),
    marks: new Map([...state.marks].filter(([key]) => !lost(key))),
  };
}

function newestPerVendor(runs) {
  const best = new Map();
  for (const run of runs.values()) {
    const other = best.get(run.vendorId);
    if (!other || String(run.startedAt ?? "~") >= String(other.startedAt ?? "~")) best.set(run.vendorId, run);
  }
  return new Map([...runs].filter(([, run]) => best.get(run.vendorId) === run));
}

function newest(rows, most, instantOf) {
  if (rows.size <= most) return rows;
  const order = [...rows.values()].sort((a, b) => (instantOf(a) < instantOf(b) ? 1 : -1)).slice(0, most);
  const keep = new Set(order.map((row) => row.id));
  return new Map([...rows].filter(([id]) => keep.has(id)));
}

function withFewResolved(state) {
  const resolved = new Map([...state.changes].filter(([id, row]) => row.state === "resolved" && id !== state.open));
  const keep = newest(resolved, MOST_RESOLVED, (row) => row.detectedAt);
  if (keep === resolved) return state.changes;
  return new Map([...state.changes].filter(([id]) => !resolved.has(id) || keep.has(id)));
}

function without(map, key) {
  if (!map.has(key)) return map;
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}
