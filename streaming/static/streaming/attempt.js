// One attempt at a stream: first a credential, then the connection that it opens.
//
// It tells what the connection tells; `caught_up` with the filter that the stream carries, `ended` with the status also
// where the transport hides it, and also where no credential was to be had in ten seconds. Once closed it tells nothing.

import { Connection } from "./connection.js";
import { Timers } from "./timers.js";

const ACCESS_WITHIN = 10_000;

export class Attempt {
  filter;
  key;
  expiresAt = null;
  hasCaughtUp = false;
  #deps;
  #timers;
  #connection = null;
  #closed = false;

  /** As in link.js; `key` names the query that the credential is for. */
  constructor({ filter, key, auth, open, why, cursor, clock, tell }) {
    this.filter = filter;
    this.key = key;
    this.#deps = { auth, open, why, cursor, clock, tell };
    this.#timers = new Timers(clock);
    void this.#begin();
  }

  close() {
    this.#closed = true;
    this.#timers.clearAll();
    this.#connection?.close();
  }

  look() {
    this.#connection?.look();
  }

  async #begin() {
    const { auth, open, cursor, clock } = this.#deps;
    this.#timers.set("access", () => this.#hasNone({}), ACCESS_WITHIN);
    let access;
    try {
      access = await auth.access(this.key);
    } catch (error) {
      return this.#hasNone(error);
    }
    if (this.#closed) return;
    this.#timers.clear("access");
    this.expiresAt = access.expiresAt;
    this.#connection = new Connection({
      open: (handlers) => open({ filter: this.filter, cursor: cursor(), access }, handlers),
      clock,
      tell: (message) => this.#hear(message, access),
    });
  }

  /** No credential: a failure like any other, and what is still being waited for is not wanted any more. */
  #hasNone({ status = null, retryMs = null }) {
    if (this.#closed) return;
    this.#deps.auth.renew();
    this.#tell({ kind: "ended", status, retryMs, opened: false, lived: 0, reconnect: true });
  }

  #hear(message, access) {
    if (message.kind === "ended" && message.refused) return void this.#explain(message, access);
    if (message.kind !== "caught_up") return this.#tell(message);
    this.hasCaughtUp = true;
    this.#tell({ ...message, filter: this.filter });
  }

  async #explain(end, access) {
    const refusal = await this.#deps.why({ filter: this.filter, access }).catch(() => null);
    this.#tell({ ...end, status: refusal?.status ?? null, retryMs: refusal?.retryMs ?? null });
  }

  #tell(message) {
    if (this.#closed) return;
    if (message.kind === "ended") this.close();
    this.#deps.tell(message);
  }
}
