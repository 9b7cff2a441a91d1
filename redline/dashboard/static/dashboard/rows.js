// Rows as REST sends them → rows as the board holds them. The one place that knows REST's keys.
//
// A change is `whole` when it came with its clauses; what an event alone has told is not, and is read again.

export function changeOf(json) {
  const transitions = json.transitions ?? [];
  return {
    id: json.id,
    vendorId: json.vendorId,
    vendorName: json.vendorName ?? "",
    runId: json.runId ?? null,
    severity: json.severity,
    headline: json.headline,
    why: json.why ?? "",
    recommendation: json.recommendation ?? "",
    state: json.state,
    by: json.by ?? transitions.at(-1)?.by ?? "",
    snoozedUntil: json.snoozedUntil ?? null,
    resolution: json.resolution ?? "",
    detectedAt: json.detectedAt,
    changes: json.changes ?? [],
    transitions,
    whole: Array.isArray(json.changes),
  };
}

export function runOf(json) {
  return {
    id: json.id,
    vendorId: json.vendorId,
    vendorName: json.vendorName ?? "",
    status: json.status,
    startedAt: json.startedAt,
    finishedAt: json.finishedAt ?? null,
    stages: json.stages ?? [],
    changeCount: json.changeCount ?? null,
  };
}

export const READERS = {
  changes: changeOf,
  runs: runOf,
  actions: (json) => json,
  vendors: (json) => json,
  entitlements: (json) => json,
};

export const LISTS = Object.keys(READERS);
