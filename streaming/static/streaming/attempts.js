// How the attempts at a stream have gone, and how long to wait before the next.
//
// A stream that lasted for a second is no failure, whatever ended it. Three in a row that opened and did not are cut by
// something in between, a proxy mostly, and the next has to last before it is believed.

import { Backoff } from "./backoff.js";

const MOST_FAILURES = 5;
const MOST_BRIEF = 3;
export const BRIEF = 1_000;

export class Attempts {
  #backoff;
  #failures = 0;
  #brief = 0;

  constructor({ random, clock }) {
    this.#backoff = new Backoff({ random, clock });
  }

  /** The number of the attempt that comes next, from 1. */
  get next() {
    return this.#failures + 1;
  }

  get areFailing() {
    return this.#failures >= MOST_FAILURES || this.areCutShort;
  }

  get areCutShort() {
    return this.#brief >= MOST_BRIEF;
  }

  begin() {
    this.#failures = this.#brief = 0;
  }

  opened() {
    this.#backoff.opened();
  }

  ended({ opened, lived }) {
    const lasted = opened && lived >= BRIEF;
    this.#failures = lasted ? 0 : this.#failures + 1;
    this.#brief = lasted ? 0 : this.#brief + Number(opened);
  }

  /** Return milliseconds; `asked` is what the server said, if anything. */
  pause(asked) {
    return this.#backoff.next(asked);
  }
}
