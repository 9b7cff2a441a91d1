// What going back in time brings with it: menus close, it is said aloud, and what the board does not have at hand is
// fetched while one already looks around: the rest of the log, and what was resolved long ago.

import { Menu } from "./menu.js";
import { Refusal } from "./rest.js";
import { changeOf, LISTS } from "./rows.js";
import { clockTime } from "./times.js";

const ENTRIES = 10_000; // so much of the log is worth a journey

export class Journey {
  #travel;
  #chronicle;
  #rest;
  #speech;
  #wasPast = false;

  constructor({ travel, chronicle, rest, speech }) {
    this.#travel = travel;
    this.#chronicle = chronicle;
    this.#rest = rest;
    this.#speech = speech;
  }

  /** Tell that the board shows another instant. */
  changed() {
    const { isPast, at } = this.#travel;
    if (isPast === this.#wasPast) return;
    this.#wasPast = isPast;
    Menu.close();
    this.#speech.say(isPast ? `The board shows the past: ${clockTime(at)}. Acting is off.` : "Back to live.");
    if (isPast) void this.#reachBack();
  }

  /** Read a change that the present has forgotten; without an answer it says what its events said. */
  async readOld(id) {
    const row = await this.#unlessRefused(this.#rest.find("changes", id));
    if (row) await this.#travel.know([changeOf(row)]);
  }

  async #reachBack() {
    await this.#chronicle.deepen(ENTRIES);
    await this.#travel.again();
    const rows = await this.#unlessRefused(this.#rest.list("changes", LISTS.changes.past));
    if (rows) await this.#travel.know(rows.map(changeOf));
  }

  async #unlessRefused(answer) {
    try {
      return await answer;
    } catch (refusal) {
      if (!(refusal instanceof Refusal)) throw refusal;
      return null;
    }
  }
}
