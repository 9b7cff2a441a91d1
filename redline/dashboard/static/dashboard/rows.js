// Rows as REST sends them → rows as the board holds them. The one place that knows REST's keys.
//
// A change is `whole` when it came with its clauses; what an event alone has told is not, and is read again.

export function changeOf(json) {
  return {
    id: json.id,
    vendorId: json.vendorId,
    vendorName: json.vendorName,
    runId: json.runId,
    severity: json.severity,
    headline: json.headline,
    why: json.why,
    recommendation: json.recommendation,
    state: json.state,
    by: json.transitions.at(-1)?.by ?? "",
    snoozedUntil: json.snoozedUntil,
    resolution: json.resolution,
    detectedAt: json.detectedAt,
    changes: json.changes,
    transitions: json.transitions,
    whole: true,
  };
}

const asItIs = (json) => json;

// What a list is loaded by: readings of so many pages each. What is unresolved is wanted whole, the rest as far as the
// board shows it. `single` says that a row can be read by itself.
export const LISTS = {
  changes: {
    read: changeOf,
    single: true,
    loads: [
      { query: { state: "new,acknowledged,in-progress,snoozed", limit: "200" }, pages: 5 },
      { query: { state: "resolved", limit: "50" }, pages: 1 },
    ],
    past: { query: { state: "resolved", limit: "200" }, pages: 3 }, // what a traveller may meet again
  },
  runs: { read: asItIs, single: true, loads: [{ query: { limit: "100" }, pages: 1 }] },
  actions: { read: asItIs, single: false, loads: [{ query: { limit: "60" }, pages: 1 }] },
  vendors: { read: asItIs, single: true, loads: [{ query: { limit: "200" }, pages: 5 }] },
  entitlements: { read: asItIs, single: false, loads: [{ query: {}, pages: 1 }] },
};
