// The board as it was: replayed by the board's own reducer, and what rows tell of the time before.
import assert from "node:assert/strict";
import { test } from "node:test";

import { firstAfter, furnished, Replay, rewound, stepped } from "../../redline/dashboard/static/dashboard/past.js";
import { EMPTY, reduce } from "../../redline/dashboard/static/dashboard/state.js";

const START = Date.parse("2026-03-01T09:00:00.000Z");
const iso = (seconds) => new Date(START + seconds * 1000).toISOString();
const entry = (seconds, type, data) => ({ id: `e.${seconds}.0`, at: START + seconds * 1000, event: { type, data } });
const detected = (seconds, n) => entry(seconds, "change.detected", { changeReportId: `chg_${n}`, vendorId: "vnd_1", severity: "P2", headline: `H${n}` });
const moved = (seconds, n, state) => entry(seconds, "change.stateChanged", { changeReportId: `chg_${n}`, state, by: "usr_1" });
const row = (n, seconds, steps = []) => ({
  id: `chg_${n}`, vendorId: "vnd_1", severity: "P2", headline: `H${n}`, detectedAt: iso(seconds), whole: true, why: "policy", changes: [{ summary: "S" }],
  state: steps.at(-1)?.[1] ?? "new", by: "usr_1", snoozedUntil: null, resolution: "accepted",
  transitions: steps.map(([at, toState], index) => ({ fromState: steps[index - 1]?.[1] ?? "new", toState, by: "usr_2", note: "", at: iso(at) })),
});
const present = (...changes) => ({ ...EMPTY, changes: new Map(changes.map((one) => [one.id, one])) });
const states = (state) => Object.fromEntries([...state.changes.values()].map((one) => [one.id, one.state]));

test("rows are put back: what was found later is not there, what was moved later is where it was", () => {
  const now = present(row(1, 10, [[20, "acknowledged"], [40, "resolved"]]), row(2, 50));
  assert.deepEqual(states(rewound(now, START + 5_000)), {});
  assert.deepEqual(states(rewound(now, START + 15_000)), { chg_1: "new" });
  assert.deepEqual(states(rewound(now, START + 30_000)), { chg_1: "acknowledged" });
  const back = rewound(now, START + 30_000).changes.get("chg_1");
  assert.deepEqual([back.transitions.length, back.resolution, back.by], [1, "", "usr_2"]);
  assert.equal(rewound(now, START + 45_000).changes.get("chg_1").resolution, "accepted");
});

test("an action that was delivered later is on its way, and one that was ordered later is not there", () => {
  const action = (id, created, delivered) => [id, { id, kind: "slack", status: "delivered", externalId: "C1", createdAt: iso(created), deliveredAt: iso(delivered) }];
  const now = { ...EMPTY, actions: new Map([action("act_1", 0, 5), action("act_2", 0, 20), action("act_3", 15, 20)]) };
  const back = rewound(now, START + 10_000);
  assert.deepEqual([...back.actions.values()].map((one) => [one.id, one.status, one.externalId]), [["act_1", "delivered", "C1"], ["act_2", "queued", ""]]);
});

test("what cannot be known of the beginning is not claimed: entitlements changed since, vendors' plans", () => {
  const now = {
    ...EMPTY,
    entitlements: { compliancePack: true, auditorPortal: false, changedAt: iso(30) },
    vendors: new Map([["vnd_1", { id: "vnd_1", name: "V", createdAt: iso(0), nextRunAt: iso(99) }], ["vnd_2", { id: "vnd_2", name: "W", createdAt: iso(60) }]]),
  };
  const back = rewound(now, START + 20_000);
  assert.equal(back.entitlements, null);
  assert.deepEqual([...back.vendors.values()].map((one) => [one.name, one.nextRunAt]), [["V", null]]);
  assert.equal(rewound(now, START + 31_000).entitlements.compliancePack, true);
});

test("a replay at any instant is what the reducer makes of every entry up to it, in whichever order one asks", () => {
  const entries = [];
  for (let n = 0; n < 1_300; n += 1) entries.push(n % 3 ? moved(n, n - (n % 3), n % 3 === 1 ? "acknowledged" : "resolved") : detected(n, n));
  const replay = new Replay(EMPTY, entries);
  for (const second of [1_299, 3, 0, 249, 250, 251, 700, 1_000, 2_000, -1]) {
    const plain = entries.filter(({ at }) => at <= START + second * 1000).reduce((state, one) => stepped(state, one, false), EMPTY);
    assert.deepEqual(states(replay.at(START + second * 1000)), states(plain), `at ${second} s`);
  }
});

test("between two instants lie the entries after the one and up to the other", () => {
  const replay = new Replay(EMPTY, [detected(1, 1), detected(2, 2), detected(2, 3), detected(4, 4)]);
  const names = (from, to) => replay.between(START + from, START + to).map((one) => one.event.data.changeReportId);
  assert.deepEqual(names(1_000, 2_000), ["chg_2", "chg_3"]);
  assert.deepEqual(names(2_000, 3_999), []);
  assert.equal(firstAfter([], 5), 0);
});

test("a replayed row is furnished with what never changes, and not with what came later", () => {
  const now = present(row(1, 10, [[20, "acknowledged"], [40, "resolved"]]));
  const at = START + 25_000;
  const raw = new Replay(EMPTY, [detected(10, 1), moved(20, 1, "acknowledged"), moved(40, 1, "resolved")]).at(at);
  const { changes, stale } = furnished(raw, now, at);
  const shown = changes.get("chg_1");
  assert.deepEqual([shown.state, shown.by, shown.why, shown.whole, shown.transitions.length, shown.resolution], ["acknowledged", "usr_1", "policy", true, 1, ""]);
  assert.equal(stale.size, 0);
});

test("a row that the present has forgotten stays as its events told it", () => {
  const raw = new Replay(EMPTY, [detected(10, 1)]).at(START + 11_000);
  const shown = furnished(raw, present(), START + 11_000).changes.get("chg_1");
  assert.deepEqual([shown.headline, shown.state, Boolean(shown.whole)], ["H1", "new", false]);
});

test("at the end of the log the past has become the present", () => {
  const entries = [detected(1, 1), detected(2, 2), moved(3, 1, "acknowledged"), moved(4, 2, "snoozed")];
  const live = entries.reduce((state, { event, at }) => reduce(state, { type: "event", event, at: new Date(at).toISOString(), news: true }), EMPTY);
  assert.deepEqual(states(new Replay(EMPTY, entries).at(START + 9_000)), states(live));
});
