// What a stream shows at the door: the cookie, a token in the Authorization header, or a ticket in the URL.
//
//   access(key)   what the next request carries: {query, headers, expiresAt}; `key` names the query it is for
//   renew()       the next access is to be a fresh one (the old one keeps working meanwhile)
//   refused()     it was no good: forget it; false where there is nothing else to try
//   offered(token, key)   the server's reconnect token, which opens the same query again
//
// A token is fetched once and kept until it is renewed; who asks meanwhile waits for the same answer. A ticket opens
// one stream: after the first the server's reconnect token is shown, and where that fails, a fresh ticket.

import { refusalOf } from "./refusal.js";

/** `auth` as in hub.d.ts. `fetch`, `cookie()` and the stream's `url` are for the default source of tickets. */
export function credential(auth, { fetch, cookie, url, now }) {
  if (auth?.token !== undefined) return new Token(auth.token);
  if (auth?.ticket !== undefined) return new Ticket(auth.ticket === true ? () => order({ fetch, cookie, url, now }) : auth.ticket);
  return new Cookie();
}

class Cookie {
  native = true;

  async access() {
    return { query: {}, headers: {}, expiresAt: null };
  }

  async pollAccess() {
    return this.access();
  }

  renew() {}

  refused() {
    return false;
  }

  offered() {}
}

class Token {
  native = false;
  #source;
  #held = null; // a promise of the access

  constructor(source) {
    this.#source = source;
  }

  access() {
    if (this.#held === null) {
      const held = (this.#held = this.#fetch());
      held.catch(() => this.#held === held && this.renew());
    }
    return this.#held;
  }

  pollAccess() {
    return this.access();
  }

  renew() {
    if (typeof this.#source === "function") this.#held = null;
  }

  refused() {
    this.renew();
    return typeof this.#source === "function";
  }

  offered() {}

  async #fetch() {
    const got = typeof this.#source === "function" ? await this.#source() : this.#source;
    const { token, expiresAt = null } = typeof got === "string" ? { token: got } : got;
    return { query: {}, headers: { Authorization: `Bearer ${token}` }, expiresAt: instant(expiresAt) };
  }
}

class Ticket {
  native = true;
  #source;
  #reconnect = null;

  constructor(source) {
    this.#source = source;
  }

  async access(key) {
    if (this.#reconnect?.key === key) return { query: { token: this.#reconnect.token }, headers: {}, expiresAt: null };
    return this.pollAccess();
  }

  async pollAccess() {
    const got = await this.#source();
    return { query: { ticket: typeof got === "string" ? got : got.ticket }, headers: {}, expiresAt: null };
  }

  renew() {
    this.#reconnect = null;
  }

  /** A reconnect token or a ticket was no good; a fresh ticket may be, and where none is to be had its source says so. */
  refused() {
    this.#reconnect = null;
    return true;
  }

  offered(token, key) {
    this.#reconnect = token ? { token, key } : null;
  }
}

async function order({ fetch, cookie, url, now }) {
  const headers = { Accept: "application/json", "X-CSRFToken": /(?:^|;\s*)csrftoken=([^;]*)/.exec(cookie())?.[1] ?? "" };
  const response = await fetch(new URL("/v1/stream/tickets", url).href, { method: "POST", headers, credentials: "include" });
  if (!response.ok) throw await refusalOf(response, now());
  return response.json();
}

/** Read an instant: milliseconds, a Date, or a text that says one. Return milliseconds or null. */
function instant(value) {
  const at = typeof value === "string" ? Date.parse(value) : value === null ? NaN : Number(value);
  return Number.isFinite(at) ? at : null;
}
