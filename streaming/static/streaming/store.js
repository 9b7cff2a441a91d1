// Where this tab stands in the log, and the one door that every event goes through, whoever brings it: the stream, a
// poll, another tab.
//
// It promises its subscribers each event once and in the log's order: what lies at or before the cursor has been told.
// What stands between a reset and the caught-up after it is how things are, not news; until then the cursor stays
// where it was, so that whoever is cut in between comes back with it and gets the state again.

import { covers } from "./cursor.js";

export class Store {
  cursor = null;
  #telling = false; // of the state
  #stale = true; // what the page knows is too old to build upon
  #topics;
  #health;
  #onReset;
  #clock;

  constructor({ topics, health, onReset, clock }) {
    this.#topics = topics;
    this.#health = health;
    this.#onReset = onReset;
    this.#clock = clock;
  }

  get isTellingState() {
    return this.#telling;
  }

  /** Apply one message of a source; return it as other tabs may apply it, null where it changed nothing. */
  take(message) {
    switch (message.kind) {
      case "opened":
        this.#telling = false;
        this.#stale ||= message.resume !== "ok";
        return null;
      case "moved":
        return this.#move(message.cursor) ? message : null;
      case "event":
        return this.#event(message) ? message : null;
      case "reset":
        this.#telling = this.#stale = true;
        this.#onReset(message.reason);
        return message;
      case "caught_up":
        return this.#caughtUp(message);
      default:
        return null;
    }
  }

  #move(cursor) {
    if (this.#telling || covers(this.cursor, cursor)) return false;
    this.cursor = cursor;
    return true;
  }

  #event({ id, type, data }) {
    if (id && !this.#telling && !this.#move(id)) return false;
    const at = this.#clock.now();
    const news = !this.#telling && !isState(type, data);
    if (type !== "heartbeat" && !this.#telling) this.#health.change({ lastEventAt: at });
    this.#topics.deliver(Object.freeze({ id: this.#telling ? null : id, type, data, news, at }));
    return true;
  }

  #caughtUp(message) {
    const fresh = this.#stale || message.fresh === true;
    const moved = this.#telling || !covers(this.cursor, message.cursor);
    this.#telling = this.#stale = false;
    if (moved) this.cursor = message.cursor;
    this.#topics.caughtUp(message.filter, { all: fresh });
    return { ...message, fresh };
  }
}

// An envelope may stand for many that were missed: then it says how things are.
function isState(type, data) {
  return data?.topic === type && data.kind === "snapshot";
}
