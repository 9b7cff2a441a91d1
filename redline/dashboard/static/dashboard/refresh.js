// Reads by REST what the stream did not tell: whole lists when the board knows too little, single rows when an event
// said less than a row shows. Many asks become one: a row's wait gathers others, more than a few become their list.
//
// Whatever the stream says while an answer is under way is applied again after it (see journal.js).

import { Journal } from "./journal.js";
import { Refusal } from "./rest.js";
import { LISTS } from "./rows.js";

const GATHER = { changes: 40, actions: 400, runs: 1_500, vendors: 1_500 };
const MOST_SINGLE = 5;
const AGAIN = 5_000;

export class Refresh {
  #rest;
  #store;
  #journal = new Journal();
  #timers = new Map();
  #loading = new Map();

  /** `store` is {state, dispatch(action)}; `onRefused` hears of answers that no retry will mend. */
  constructor({ rest, store, onRefused }) {
    this.#rest = rest;
    this.#store = store;
    this.onRefused = onRefused;
  }

  /** Apply an event, now and after every answer that was asked for before it. */
  event(action) {
    this.#journal.record({ ...action, news: false });
    this.#store.dispatch(action);
    this.#follow();
  }

  all() {
    return Promise.all(Object.keys(LISTS).map((list) => this.list(list)));
  }

  /** Read a whole list; a second ask while one is under way is served by one more reading after it. */
  async list(list) {
    if (this.#loading.has(list)) return void this.#loading.set(list, true);
    this.#loading.set(list, false);
    const mark = this.#journal.begin();
    try {
      const pages = await Promise.all(LISTS[list].loads.map((load) => this.#rest.list(list, load)));
      const rows = pages.flat().map(LISTS[list].read);
      this.#put({ type: "rows", list, rows }, mark);
    } catch (error) {
      this.#journal.end(mark);
      this.#loading.delete(list);
      if (!(error instanceof Refusal)) throw error;
      this.#failed(list, error);
    }
    const again = this.#loading.get(list);
    this.#loading.delete(list);
    if (again) await this.list(list);
  }

  async row(list, id) {
    const mark = this.#journal.begin();
    try {
      this.#put({ type: "row", list, row: LISTS[list].read(await this.#rest.get(list, id)) }, mark);
    } catch (error) {
      this.#journal.end(mark);
      if (!(error instanceof Refusal)) throw error;
      if (error.status === 404) this.#store.dispatch({ type: "gone", list, id });
      else this.#later(list, AGAIN);
      if (error.status === 401) this.onRefused(error);
    }
  }

  #put(action, mark) {
    this.#store.dispatch(action);
    for (const later of this.#journal.end(mark)) this.#store.dispatch(later);
    this.#follow();
  }

  #failed(list, error) {
    this.#store.dispatch({ type: "failed", list, message: error.message });
    if (error.status === 401) this.onRefused(error);
    else setTimeout(() => this.list(list), AGAIN);
  }

  #follow() {
    for (const key of this.#store.state.stale) this.#later(key.slice(0, key.indexOf("/")));
  }

  #later(list, wait = GATHER[list]) {
    if (this.#timers.has(list)) return;
    this.#timers.set(list, setTimeout(() => this.#gathered(list), wait));
  }

  #gathered(list) {
    this.#timers.delete(list);
    const ids = [...this.#store.state.stale].filter((key) => key.startsWith(`${list}/`)).map((key) => key.slice(list.length + 1));
    if (ids.length && (ids.length > MOST_SINGLE || !LISTS[list].single)) return this.list(list);
    return Promise.all(ids.map((id) => this.row(list, id)));
  }
}
