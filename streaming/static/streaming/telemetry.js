// What the server would like to know of a hub's life in the browser, sent in batches that outlive the page.
//
//   fallback {attempts}              the fallback began to poll
//   degraded {durationMs}            a degraded time is over
//   reconnect {attempts, durationMs} the stream is open again
//   latency {durationMs}             from commit to screen; the page says it, for only it knows when it has drawn
//
// At most 20 records and 4 KiB a batch, sent when one is full, every half minute, and when the page is hidden. Among
// tabs that share a stream only the leader tells of it.

const MOST = 20;
const MOST_BYTES = 4_096;
const EVERY = 30_000;
const KEPT = 100;

export function createTelemetry({ url = "/api/v1/events/telemetry", environment = {} } = {}) {
  const beacon = (to, body) => navigator.sendBeacon(to, body);
  const clock = { now: () => Date.now(), set: (callback, wait) => setTimeout(callback, wait), clear: (timer) => clearTimeout(timer) };
  return new Telemetry(url, { beacon, clock, document: globalThis.document, ...environment });
}

class Telemetry {
  #url;
  #env;
  #waiting = [];
  #timer = null;

  constructor(url, env) {
    this.#url = url;
    this.#env = env;
    env.document.addEventListener("visibilitychange", () => env.document.visibilityState === "hidden" && this.flush());
  }

  /** Tell of this hub from now on; return what ends it. */
  watch(hub) {
    return hub.onHealth((now, before) => now.role !== "follower" && this.#changed(now, before));
  }

  latency(durationMs) {
    this.#add({ type: "latency", durationMs: Math.round(durationMs) });
  }

  /** Send what is waiting; what the browser does not take waits on. */
  flush() {
    this.#env.clock.clear(this.#timer);
    this.#timer = null;
    while (this.#waiting.length > 0) {
      const batch = this.#batch();
      if (!this.#env.beacon(this.#url, new Blob([JSON.stringify(batch)], { type: "application/json" }))) break;
      this.#waiting.splice(0, batch.length);
    }
    if (this.#waiting.length > 0) this.#later();
  }

  #changed(now, before) {
    const at = this.#env.clock.now();
    if (now.fallbackActive && !before.fallbackActive) this.#add({ type: "fallback", attempts: now.retryAttempt });
    if (before.status === "degraded" && now.status !== "degraded") this.#add({ type: "degraded", durationMs: at - before.since });
    if (now.status === "healthy" && before.status !== "healthy" && before.retryAttempt > 0) {
      this.#add({ type: "reconnect", attempts: before.retryAttempt, durationMs: at - before.lostAt });
    }
  }

  #add(record) {
    this.#waiting.push({ ...record, at: new Date(this.#env.clock.now()).toISOString() });
    this.#waiting.splice(0, this.#waiting.length - KEPT); // a server that takes nothing is not owed more
    if (this.#waiting.length >= MOST) this.flush();
    else this.#later();
  }

  #later() {
    this.#timer ??= this.#env.clock.set(() => this.flush(), EVERY);
  }

  #batch() {
    let batch = this.#waiting.slice(0, MOST);
    while (JSON.stringify(batch).length > MOST_BYTES) batch = batch.slice(0, -1); // ASCII throughout: characters are bytes
    return batch;
  }
}
