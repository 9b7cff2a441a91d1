// The requests of a hub besides the stream itself: the polling twin, and the question why a stream was refused.

import { address, asked, twin } from "./address.js";
import { Refusal, refusalOf } from "./refusal.js";

const ANSWER_WITHIN = 10_000;
const PAGE = 500;

export class Requests {
  #url;
  #auth;
  #credentials;
  #fetch;
  #clock;

  constructor({ url, auth, credentials, fetch, clock }) {
    this.#url = url;
    this.#auth = auth;
    this.#credentials = credentials;
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /** Ask the twin for what follows `cursor`; without one, where the end is. */
  async page(cursor, filter) {
    const { query, headers } = await this.#auth.pollAccess();
    const response = await this.#ask(address(twin(this.#url), { ...asked(filter), limit: PAGE, after: cursor, ...query }), { headers });
    return response.json();
  }

  /** Return the Refusal of a stream whose status an EventSource hides, or null if it would be let in now. */
  async why(url) {
    try {
      const response = await this.#ask(url, { method: "HEAD" });
      void response.body?.cancel();
      return null;
    } catch (error) {
      if (error instanceof Refusal) return error;
      throw error;
    }
  }

  async #ask(url, options) {
    const abort = new AbortController();
    const timer = this.#clock.set(() => abort.abort(), ANSWER_WITHIN);
    try {
      const response = await this.#fetch(url, { credentials: this.#credentials, cache: "no-store", signal: abort.signal, ...options });
      if (!response.ok) throw await refusalOf(response, this.#clock.now());
      return response;
    } catch (error) {
      throw error instanceof Refusal ? error : new Refusal({ status: 0 });
    } finally {
      this.#clock.clear(timer);
    }
  }
}
