// How the stream is doing: one frozen record, replaced as a whole, that anybody can watch.
//
//                     stream open                    lost
//   recovering ──────────────────────► healthy ───────────────► recovering
//        │ 5 s, 5 failures in a row, or       ▲
//        ▼ three that died within a second    │ stream open
//     degraded ───────────────────────────────┘        (the fallback polls while degraded, if there is a network)
//
// Instants are milliseconds of the injected clock. `since` is when the status last changed, `lostAt` when the stream
// was last open, and stays through both recovering and degraded.

import { Listeners } from "./listeners.js";

export class Health {
  #record;
  #clock;
  #watchers = new Listeners();

  constructor(clock) {
    this.#clock = clock;
    this.#record = Object.freeze({
      status: "recovering",
      since: clock.now(),
      lostAt: clock.now(),
      lastEventAt: null,
      lastHeartbeatAt: null,
      retryAttempt: 0,
      nextAttemptAt: null,
      fallbackActive: false,
      refusal: null,
      online: true,
      role: "alone",
      stopped: null,
    });
  }

  get record() {
    return this.#record;
  }

  /** Replace what `part` names and tell the watchers, unless all of it was so already. */
  change(part) {
    const before = this.#record;
    if (Object.keys(part).every((name) => Object.is(part[name], before[name]))) return;
    const since = (part.status ?? before.status) === before.status ? before.since : this.#clock.now();
    this.#record = Object.freeze({ ...before, since, ...part });
    this.#watchers.tell(this.#record, before);
  }

  watch(watcher) {
    return this.#watchers.add(watcher);
  }
}
