// How long to wait before the next attempt: full jitter between half a second and a ceiling that doubles to 30 s.
//
// Full jitter rather than a fixed share of it: after a deploy every open board comes back, and only waits that are
// spread over the whole ceiling keep them apart.

const LEAST = 500;
const FIRST = 2_000;
const MOST = 30_000;

/** Return milliseconds; `attempt` counts from 1, `random` is uniform in [0, 1). */
export function backoff(attempt, random) {
  const ceiling = Math.min(MOST, FIRST * 2 ** Math.min(attempt - 1, 10));
  return Math.round(LEAST + random * (ceiling - LEAST));
}
