import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { Acts } from "../../redline/dashboard/static/dashboard/acts.js";
import { Refresh } from "../../redline/dashboard/static/dashboard/refresh.js";
import { Refusal, Rest, sentence } from "../../redline/dashboard/static/dashboard/rest.js";
import { EMPTY, reduce } from "../../redline/dashboard/static/dashboard/state.js";

const AT = "2026-01-02T03:04:05.000Z";
const row = (id, state = "new") => ({ id, vendorId: "vnd_1", severity: "P1", headline: "H", state, detectedAt: AT, changes: [], transitions: [] });
const moved = (id, state) => ({ type: "event", at: AT, news: true, event: { type: "change.stateChanged", data: { changeReportId: id, state, by: "usr_1" } } });
const settled = async () => { for (let i = 0; i < 20; i += 1) await Promise.resolve(); };

function board(answers) {
  const store = { state: EMPTY, dispatch: (action) => (store.state = reduce(store.state, action)) };
  const asked = [];
  const ask = (kind) => (...args) => {
    asked.push([kind, ...args].filter((part) => typeof part === "string").join(" "));
    return answers(kind, ...args);
  };
  const rest = { list: ask("list"), get: ask("get"), post: ask("post") };
  const refused = [];
  const refresh = new Refresh({ rest, store, onRefused: (error) => refused.push(error) });
  return { store, asked, refresh, refused, acts: new Acts({ rest, store, refresh }) };
}

/** Answer the list of unresolved changes when the test says so, and everything else at once. */
const late = (onAsked) => (kind, list, load) => {
  if (kind === "get") return row(load, "acknowledged");
  return load.query.state === "resolved" ? [] : new Promise(onAsked);
};

test("an answer that is older than an event does not undo it", async () => {
  let answer;
  const { store, refresh } = board(late((resolve) => (answer = resolve)));
  const loading = refresh.list("changes");
  refresh.event(moved("chg_1", "acknowledged"));
  answer([row("chg_1", "new")]);
  await loading;
  assert.equal(store.state.changes.get("chg_1").state, "acknowledged");
});

test("events that came during a load are not news a second time", async () => {
  let answer;
  const { store, refresh } = board(late((resolve) => (answer = resolve)));
  const loading = refresh.list("changes");
  refresh.event(moved("chg_1", "acknowledged"));
  answer([row("chg_1")]);
  await loading;
  assert.equal(store.state.marks.get("changes/chg_1"), 1);
});

test("a burst of events about few rows reads each once, about many reads the list", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    for (const [count, expected] of [[2, ["get changes chg_0", "get changes chg_1"]], [9, ["list changes", "list changes"]]]) {
      const { asked, refresh } = board((kind, list, id) => (kind === "list" ? [] : row(id)));
      for (let i = 0; i < count; i += 1) for (const state of ["acknowledged", "resolved"]) refresh.event(moved(`chg_${i}`, state));
      mock.timers.tick(40);
      await settled();
      assert.deepEqual(asked, expected);
    }
  } finally {
    mock.timers.reset();
  }
});

test("a row that is gone is forgotten, and one that could not be read is tried again", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    let status = 500;
    const { store, asked, refresh } = board(() => Promise.reject(new Refusal({ status, message: "no" })));
    refresh.event(moved("chg_1", "acknowledged"));
    mock.timers.tick(40);
    await settled();
    assert.ok(store.state.stale.has("changes/chg_1"));
    status = 404;
    mock.timers.tick(5_000);
    await settled();
    assert.equal(asked.length, 2);
    assert.equal(store.state.changes.size, 0);
  } finally {
    mock.timers.reset();
  }
});

test("a list that could not be loaded says why and is loaded again", async () => {
  mock.timers.enable({ apis: ["setTimeout"] });
  try {
    let works = false;
    const { store, refresh } = board(() => (works ? [] : Promise.reject(new Refusal({ status: 503, message: "Away." }))));
    await refresh.list("vendors");
    assert.equal(store.state.failures.get("vendors"), "Away.");
    works = true;
    mock.timers.tick(5_000);
    await settled();
    assert.equal(store.state.failures.size, 0);
    assert.ok(store.state.loaded.has("vendors"));
  } finally {
    mock.timers.reset();
  }
});

test("an answer that says signed out is not tried again but told", async () => {
  const { refresh, refused } = board(() => Promise.reject(new Refusal({ status: 401, message: "Sign in." })));
  await refresh.list("runs");
  assert.equal(refused.length, 1);
});

test("a button shows its state at once and settles by the answer", async () => {
  const { store, asked, acts } = board(() => row("chg_1", "acknowledged"));
  store.dispatch({ type: "rows", list: "changes", rows: [row("chg_1")] });
  assert.ok(acts.move("chg_1", "acknowledged"));
  assert.equal(store.state.pending.get("chg_1"), "acknowledged");
  await settled();
  assert.deepEqual(asked, ["post changes/chg_1/acknowledge"]);
  assert.equal(store.state.pending.size, 0);
  assert.equal(store.state.changes.get("chg_1").state, "acknowledged");
});

test("a refused button puts the old state back and says why", async () => {
  const refusal = new Refusal({ status: 409, message: "It is resolved already." });
  const { store, acts } = board((kind) => (kind === "post" ? Promise.reject(refusal) : row("chg_1", "resolved")));
  store.dispatch({ type: "rows", list: "changes", rows: [row("chg_1")] });
  acts.move("chg_1", "acknowledged");
  await settled();
  assert.equal(store.state.pending.size, 0);
  assert.equal(store.state.refusals.get("chg_1"), "It is resolved already.");
  assert.equal(store.state.changes.get("chg_1").state, "resolved");
});

test("a step that is not allowed from here asks nobody", () => {
  const { store, asked, acts } = board(() => row("chg_1"));
  store.dispatch({ type: "rows", list: "changes", rows: [row("chg_1", "resolved")] });
  assert.equal(acts.move("chg_1", "acknowledged"), false);
  assert.equal(acts.move("chg_unknown", "acknowledged"), false);
  assert.deepEqual(asked, []);
});

const PAGE = { api: "/v1", stream: "/v1/stream", csrf: "token", org: { id: "org_1" } };
const answering = (...answers) => {
  const requests = [];
  const fetch = async (path, options) => {
    requests.push([path, options]);
    const [status, body] = answers.shift();
    return { ok: status < 300, status, json: async () => body };
  };
  return { requests, rest: new Rest(PAGE, fetch) };
};

test("every request names the org of the page, and a list follows its pages on this origin only", async () => {
  const { requests, rest } = answering([200, { results: [1], next: "http://inner:9/v1/runs?cursor=x&org=org_1" }], [200, { results: [2], next: null }]);
  assert.deepEqual(await rest.list("runs", { query: { limit: "1" }, pages: 5 }), [1, 2]);
  assert.deepEqual(requests.map(([path]) => path), ["/v1/runs?org=org_1&limit=1", "/v1/runs?cursor=x&org=org_1"]);
});

test("a post carries the CSRF token, and a refusal its sentence and its fields", async () => {
  const error = { code: "validation-failed", message: "The request is not valid.", details: { name: ["This is taken."], pages: [{ url: ["No address."] }] } };
  const { requests, rest } = answering([400, { error }]);
  await assert.rejects(rest.post("vendors", { name: "x" }), (refusal) => {
    assert.equal(refusal.status, 400);
    assert.equal(sentence(refusal), "The request is not valid. This is taken. No address.");
    return true;
  });
  assert.equal(requests[0][1].headers["X-CSRFToken"], "token");
});

test("a server that cannot be reached and an answer that is no JSON are refusals too", async () => {
  const gone = new Rest(PAGE, async () => { throw new TypeError("failed to fetch"); });
  await assert.rejects(gone.get("changes", "chg_1"), (refusal) => refusal.status === 0 && /cannot be reached/.test(refusal.message));
  const proxy = new Rest(PAGE, async () => ({ ok: false, status: 502, json: async () => { throw new SyntaxError(); } }));
  await assert.rejects(proxy.get("changes", "chg_1"), (refusal) => refusal.status === 502);
});
