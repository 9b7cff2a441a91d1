// Time travel: the board at an instant of the past, held still or played, while the present goes on behind it.
//
//            seek, toggle                    play(1), play(10)
//     live ───────────────► past, still ◄──────────────────────► past, played
//       ▲                        │              play(0), seek           │
//       └──── back, seek(now) ───┴─────────── the present is reached ───┘
//
// What the stream says meanwhile goes into the store as ever, so that `back` shows the present at once and complete.

import { furnished, Replay, rewound, stepped } from "./past.js";

const NEAR = 500; // what lies so close to now is now
const FIRST_STEP = 3_600_000;

export class Travel {
  #tape;
  #store;
  #clock;
  #pause;
  #onChange;
  #onPlayed;
  #at = null;
  #wanted = null; // the instant that was asked for, where the tape did not reach so far back
  #rate = 0;
  #replay = null;
  #replayed = null; // the tape's entries that it was made of
  #raw = null; // the replayed state, before it is furnished
  #lastAt = null;
  #older = new Map();
  #meanwhile = [];

  /** `pause()` resolves when others had their turn; `onChange()` when something else is to be shown, `onPlayed(entries)` with what play has just passed. */
  constructor({ tape, store, clock, pause, onChange, onPlayed }) {
    this.#tape = tape;
    this.#store = store;
    this.#clock = clock;
    this.#pause = pause;
    this.#onChange = onChange;
    this.#onPlayed = onPlayed;
  }

  /** The instant that the board shows; null while that is the present. */
  get at() {
    return this.#at;
  }

  get isPast() {
    return this.#at !== null;
  }

  /** 0 held still, else so many times as fast as it was. */
  get rate() {
    return this.#rate;
  }

  /** The changes that have been found since the present was left, as the stream told of them. */
  get meanwhile() {
    return this.#meanwhile;
  }

  /** Return what the board shows; `quiet` where its differences are no news. */
  state() {
    if (!this.isPast) return this.#store.state;
    const { open } = this.#store.state;
    const state = furnished(this.#raw, this.#present(), this.#at);
    return { ...state, open: state.changes.has(open) ? open : null, quiet: this.#rate === 0 };
  }

  /** Show an instant; the present if it is not past. Return whether there is a log to do so. */
  seek(at) {
    if (this.#tape.from === null) return false;
    if (at >= this.#clock.now() - NEAR) return this.back();
    if (!this.isPast) this.#meanwhile = [];
    this.#wanted = at < this.#tape.from ? at : null;
    this.#at = Math.max(at, this.#tape.from);
    this.#rate = 0;
    this.#raw = this.#replayUpTo(this.#at).at(this.#at);
    this.#onChange();
    return true;
  }

  /** Go to where one was last, at first an hour back or where the log begins; from the past, go back to live. */
  toggle() {
    if (this.isPast) return this.back();
    return this.seek(this.#lastAt ?? this.#clock.now() - FIRST_STEP);
  }

  play(rate) {
    if (!this.isPast) return;
    this.#rate = rate;
    this.#wanted = null;
    this.#onChange();
  }

  /** Let so many milliseconds pass. */
  tick(elapsed) {
    if (!this.#rate) return;
    const to = this.#at + elapsed * this.#rate;
    if (to >= this.#clock.now() - NEAR) return void this.back();
    const passed = this.#replayUpTo(to).between(this.#at, to);
    this.#raw = passed.reduce((state, entry) => stepped(state, entry, true), this.#raw);
    this.#at = to;
    this.#onPlayed(passed);
    this.#onChange();
  }

  back() {
    if (!this.isPast) return false;
    this.#lastAt = this.#at;
    this.#at = null;
    this.#rate = 0;
    this.#raw = this.#replay = this.#replayed = null;
    this.#onChange();
    return true;
  }

  /** Tell of an event of the present. */
  happened({ type, data }) {
    if (this.isPast && type === "change.detected") this.#meanwhile.push(data.severity);
  }

  /** Take rows that the present does not hold any more: what was resolved long ago. */
  know(rows) {
    for (const row of rows) this.#older.set(row.id, row);
    return this.again();
  }

  /** Show the instant that was asked for from a tape that goes further back, or with more that is known. */
  async again() {
    if (!this.isPast || this.#tape.from === null) return;
    const { entries, from } = this.#tape;
    if (this.#wanted !== null) this.#at = Math.max(this.#wanted, from);
    const replay = this.#replayOf(entries);
    await replay.warm(this.#at, this.#pause);
    if (!this.isPast) return;
    if (replay.extend(this.#tape.entries)) this.#replayed = this.#tape.entries; // it may have read on meanwhile
    else this.#replayed = entries;
    this.#replay = replay;
    this.#showAgain();
  }

  /** Show what the tape has read on, if one stands beyond what it had before. */
  read() {
    if (!this.isPast || this.#replayed === this.#tape.entries || this.#at < this.#replay.until) return;
    this.#replayUpTo(this.#at);
    this.#showAgain();
  }

  #showAgain() {
    this.#raw = { ...this.#replay.at(this.#at), marks: this.#raw.marks };
    this.#onChange();
  }

  #replayUpTo(at) {
    const { entries } = this.#tape;
    const isBeyond = this.#replayed !== entries && at >= (this.#replay?.until ?? 0);
    if (!this.#replay || (isBeyond && !this.#replay.extend(entries))) this.#replay = this.#replayOf(entries);
    if (isBeyond) this.#replayed = entries;
    return this.#replay;
  }

  #replayOf(entries) {
    return new Replay(rewound(this.#present(), this.#tape.from), entries);
  }

  #present() {
    const { state } = this.#store;
    return { ...state, changes: new Map([...this.#older, ...state.changes]) };
  }
}
