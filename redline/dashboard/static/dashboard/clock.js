// The server's clock, as a browser can tell it: asked a few times, and the answer that took least is believed. It is
// right to within half of what that answer took; a browser whose own clock is wrong shows true ages all the same.
//
// All instants on the board are the server's, in milliseconds since 1970; `of` turns one of this browser into one.

const ASKS = 4;
const GOOD_FOR = 600_000;

export class Clock {
  #ask;
  #own;
  #ahead = 0; // how far the server is ahead of this browser
  #askedAt = null;

  /** `ask()` resolves to the server's time; `own()` is this browser's. */
  constructor(ask, own = () => Date.now()) {
    this.#ask = ask;
    this.#own = own;
  }

  now() {
    return this.of(this.#own());
  }

  of(instant) {
    return instant + this.#ahead;
  }

  /** Whether the server has been asked at all: without that, no latency means anything. */
  get isSet() {
    return this.#askedAt !== null;
  }

  /** Ask, unless that was done within the last ten minutes; what cannot be asked leaves the clock as it is. */
  async set() {
    if (this.#askedAt !== null && Math.abs(this.#own() - this.#askedAt) < GOOD_FOR) return;
    let least = Infinity;
    for (let asked = 0; asked < ASKS; asked += 1) {
      const sent = this.#own();
      const told = await this.#ask();
      const took = this.#own() - sent;
      if (took >= least) continue;
      least = took;
      this.#ahead = told - sent - took / 2;
    }
    this.#askedAt = this.#own();
  }
}
