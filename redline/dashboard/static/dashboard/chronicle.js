// What the board remembers of the log: the tape read on while events come, each counted in its minute, and how long
// each took from its commit to this screen.
//
// The stream does not say when an event was committed, the log does: so an event's paint is noted when it comes, and
// compared when the tape has reached it, on the server's clock. A quiet board asks nothing.

import { Refusal } from "./rest.js";

const SOON = 10_000;
const LATER = 30_000;
const MOST_PAINTED = 2_000;
const SCREEN = {
  isHidden: () => document.hidden,
  afterFrame: (callback) => requestAnimationFrame(() => setTimeout(callback)),
};

export class Chronicle {
  #tape;
  #minutes;
  #clock;
  #onRead;
  #onLatency;
  #screen;
  #painted = new Map();
  #timer = null;
  since = null; // when what is counted begins: the tape lets go of entries, the minutes keep their numbers
  latest = null; // how long the newest that was measured took, in milliseconds

  /** `onRead()` when there is more to show, `onLatency(milliseconds)` for one of the events that were measured then. */
  constructor({ tape, minutes, clock, onRead, onLatency, screen = SCREEN }) {
    this.#tape = tape;
    this.#minutes = minutes;
    this.#clock = clock;
    this.#onRead = onRead;
    this.#onLatency = onLatency;
    this.#screen = screen;
  }

  /** Tell of an event of the log that was given to the screen now; `id` null for what is not in the log. */
  happened(id, { isShown }) {
    this.#later(SOON);
    if (id === null || !isShown || !this.#clock.isSet || this.#screen.isHidden()) return;
    this.#screen.afterFrame(() => this.#painted.set(id, this.#clock.now()));
    if (this.#painted.size > MOST_PAINTED) this.#painted.delete(this.#painted.keys().next().value);
  }

  /** Read on; what cannot be read now is read later. Return whether it was. */
  async follow() {
    clearTimeout(this.#timer);
    this.#timer = null;
    return this.#read(async () => {
      await this.#clock.set();
      const hadNone = this.#tape.from === null;
      const entries = await this.#tape.follow();
      if (hadNone) this.#minutes.recount(entries);
      else this.#minutes.add(entries);
      this.#measure(entries);
    });
  }

  /** Hold up to so many entries, for who travels far. */
  async deepen(most) {
    await this.follow();
    return this.#read(async () => {
      await this.#tape.deepen(most);
      this.#minutes.recount(this.#tape.entries);
    });
  }

  async #read(reading) {
    try {
      await reading();
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      this.#later(LATER);
      return false;
    }
    const { from } = this.#tape;
    if (from !== null) this.since = Math.min(this.since ?? from, from);
    this.#onRead();
    return true;
  }

  #measure(entries) {
    const measured = entries.filter(({ id }) => this.#painted.has(id));
    for (const { id, emittedAt } of measured) {
      const paintedAt = this.#painted.get(id);
      this.latest = Math.max(0, paintedAt - emittedAt);
      this.#painted.delete(id);
      this.#minutes.sample(paintedAt, this.latest);
    }
    if (measured.length) this.#onLatency(this.latest);
  }

  #later(wait) {
    this.#timer ??= setTimeout(() => {
      this.#timer = null;
      if (this.#screen.isHidden()) this.#later(LATER); // nobody looks: it can wait
      else void this.follow();
    }, wait);
  }
}
