// Acknowledge, start, snooze, resolve: shown at once, settled by what the server says. A refusal puts the old state
// back and says why beside the button; an answer that never came says so too, because nobody knows what it did.

import { mayMove } from "./selectors.js";
import { changeOf } from "./rows.js";
import { sentence } from "./rest.js";

const PATHS = { acknowledged: "acknowledge", "in-progress": "start", snoozed: "snooze", resolved: "resolve" };

export class Acts {
  #rest;
  #store;
  #refresh;

  constructor({ rest, store, refresh }) {
    this.#rest = rest;
    this.#store = store;
    this.#refresh = refresh;
  }

  /** Move a change; `body` is what the transition needs. Returns false where it is not possible from here. */
  move(id, to, body = {}) {
    const { state } = this.#store;
    const change = state.changes.get(id);
    if (!change || !mayMove(state, change, to)) return false;
    this.#store.dispatch({ type: "intend", id, to });
    this.#post(id, to, body);
    return true;
  }

  async #post(id, to, body) {
    try {
      const answer = await this.#rest.post(`changes/${encodeURIComponent(id)}/${PATHS[to]}`, body);
      this.#store.dispatch({ type: "row", list: "changes", row: changeOf(answer) });
      this.#store.dispatch({ type: "settle", id });
    } catch (refusal) {
      this.#store.dispatch({ type: "refuse", id, message: sentence(refusal) });
      await this.#refresh.row("changes", id);
    }
  }
}
