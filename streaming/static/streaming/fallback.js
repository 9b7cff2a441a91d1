// Reading the log page by page, and the polls that stand in for a stream that cannot be had.
//
//   stopped ──start()──► asking ──page──► resting (`every`) ──► asking …      hasMore: at once
//      ▲                   │ refused: told, and asked again after the rest
//      └──────stop()───────┴── an answer that comes after stop() is nobody's
//
// A cursor that has expired is handled as the protocol has it: first where the end is, then the state, then on from
// that end, so that what happens meanwhile comes as events.

/**
 * Read from the store's cursor until there is no more, telling what a stream would tell. `ask(cursor)` resolves to
 * {events, cursor, hasMore}, or to nothing where a page reads in its own way; `snapshot()` may give the state as events.
 */
export async function readOn({ ask, snapshot, store, filter, tell, isWanted = () => true }) {
  for (let more = true; more; ) {
    const asked = filter();
    const page = await ask(store.cursor, asked).catch((error) => expired(error, { ask, snapshot, asked }));
    if (!isWanted()) return;
    if (!page) return;
    if (page.reset) tell({ kind: "reset", reason: page.reset });
    for (const { id = null, event, data } of page.events) tell({ kind: "event", id, type: event, data });
    more = page.hasMore;
    if (more) tell({ kind: "moved", cursor: page.cursor });
    else tell({ kind: "caught_up", cursor: page.cursor, filter: asked });
  }
}

async function expired(error, { ask, snapshot, asked }) {
  if (error.status !== 410) throw error;
  const end = await ask(null, asked);
  const events = (await snapshot?.()) ?? [];
  return { ...end, reset: error.reason ?? "unknown", events: events.map(({ type, data }) => ({ event: type, data })) };
}

export class Fallback {
  #read;
  #every;
  #clock;
  #onAnswer;
  #onRefused;
  #round = 0;
  #timer = null;
  #active = false;

  /** `read({isWanted})` is one round of readOn; `every` is the rest between two rounds, in milliseconds. */
  constructor({ read, every, clock, onAnswer, onRefused }) {
    this.#read = read;
    this.#every = every;
    this.#clock = clock;
    this.#onAnswer = onAnswer;
    this.#onRefused = onRefused;
  }

  get isActive() {
    return this.#active;
  }

  start() {
    if (this.#active) return;
    this.#active = true;
    void this.#ask(++this.#round);
  }

  stop() {
    this.#active = false;
    this.#round += 1;
    this.#clock.clear(this.#timer);
  }

  async #ask(round) {
    const isWanted = () => round === this.#round;
    try {
      await this.#read({ isWanted });
      if (isWanted()) this.#onAnswer();
    } catch (error) {
      if (isWanted()) this.#onRefused(error);
    }
    if (isWanted()) this.#timer = this.#clock.set(() => this.#ask(round), this.#every);
  }
}
