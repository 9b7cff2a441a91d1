// How long to wait before the next attempt: full jitter from half a second to a ceiling that doubles up to 30 s.
//
// The first ceiling is 4 s. A narrower one would bring all clients of a killed server back within the same second, a
// wider one would have the fallback begin (after 5 s) before a second attempt was made at all. Attempts count on until
// a stream has been healthy for a minute: one that opens and dies again does not start anew at half a second.

const LEAST = 500;
const FIRST = 4_000;
const MOST = 30_000;
const HEALTHY = 60_000;

/** Return milliseconds; `attempt` counts from 1, `random` is uniform in [0, 1). */
export function backoff(attempt, random) {
  const ceiling = Math.min(MOST, FIRST * 2 ** Math.min(attempt - 1, 10));
  return Math.round(LEAST + random * (ceiling - LEAST));
}

export class Backoff {
  #attempt = 0;
  #openedAt = null;
  #random;
  #clock;

  constructor({ random, clock }) {
    this.#random = random;
    this.#clock = clock;
  }

  opened() {
    this.#openedAt = this.#clock.now();
  }

  /** Return how long to wait now; `asked` is what the server said, in milliseconds, and never undercut. */
  next(asked = null) {
    if (this.#openedAt !== null && this.#clock.now() - this.#openedAt >= HEALTHY) this.#attempt = 0;
    this.#openedAt = null;
    this.#attempt += 1;
    const own = backoff(this.#attempt, this.#random());
    if (asked === null) return own;
    return this.#attempt === 1 ? asked : Math.max(asked, own);
  }
}
