// The board as it was: the log replayed by the board's own reducer, from what the rows of today tell of the beginning.
// Pure; instants in milliseconds.
//
//   rewound(present, at)    what the present's rows tell of an instant: REST keeps when a change was moved and an action
//                           delivered, but no former runs, vendors' plans or entitlements
//   Replay.at(instant)      that, and every entry up to the instant on top; marks along the way make any instant cheap
//   furnished(state, …)     and what events do not carry: names, clauses, sources, notes
//
// What is resolved and forgotten by the board of today is missing from the beginning: `Travel` says so.

import { EMPTY, reduce } from "./state.js";

const EVERY = 250; // entries between two marks
const MOST = 50_000; // entries of one replay, for who stays in the past all day
const LISTS = ["changes", "runs", "actions", "vendors", "entitlements"];

/** Return the state that the present's rows tell of an instant before. */
export function rewound(present, at) {
  const state = { ...EMPTY, loaded: new Set(LISTS), vendors: vendorsAt(present, at) };
  state.changes = chosen(present.changes, (row) => row.whole && isBy(row.detectedAt, at), (row) => changeAt(row, at));
  state.runs = chosen(present.runs, (row) => isBy(row.finishedAt, at), (row) => row);
  state.actions = chosen(present.actions, (row) => isBy(row.createdAt, at), (row) => actionAt(row, at));
  const bought = present.entitlements;
  state.entitlements = bought && (!bought.changedAt || isBy(bought.changedAt, at)) ? bought : null;
  return state;
}

export class Replay {
  #entries;
  #marks;

  /** `base` is the state before the first entry. */
  constructor(base, entries) {
    this.#entries = entries;
    this.#marks = [base];
  }

  /** When the last entry was; 0 without any. */
  get until() {
    return this.#entries.at(-1)?.at ?? 0;
  }

  at(instant) {
    const wanted = firstAfter(this.#entries, instant);
    while (this.#marks.length * EVERY <= wanted) this.#mark();
    const mark = Math.floor(wanted / EVERY);
    return this.#applied(this.#marks[mark], mark * EVERY, wanted);
  }

  /** Make the way to an instant cheap, a little at a time; `pause()` lets others have their turn. */
  async warm(instant, pause) {
    while (this.#marks.length * EVERY <= firstAfter(this.#entries, instant)) {
      this.#mark();
      await pause();
    }
  }

  /** Go on through what was read since, if `entries` holds the last one; return whether that was possible. */
  extend(entries) {
    const last = this.#entries.at(-1);
    const index = last ? entries.lastIndexOf(last) : -1;
    if (index === -1 || this.#entries.length > MOST) return false;
    this.#entries = [...this.#entries, ...entries.slice(index + 1)];
    return true;
  }

  #mark() {
    const from = (this.#marks.length - 1) * EVERY;
    this.#marks.push(this.#applied(this.#marks.at(-1), from, from + EVERY));
  }

  /** Return the entries after one instant and up to another. */
  between(after, upTo) {
    return this.#entries.slice(firstAfter(this.#entries, after), firstAfter(this.#entries, upTo));
  }

  #applied(state, from, to) {
    return this.#entries.slice(from, to).reduce((before, entry) => stepped(before, entry, false), state);
  }
}

/** Return the state after an entry of the log; `news` marks what it touches. */
export function stepped(state, { at, event }, news) {
  return reduce(state, { type: "event", event, at: new Date(at).toISOString(), news });
}

/** Return a replayed state with what the present knows besides, and nothing that was not yet there. */
export function furnished(state, present, at) {
  const changes = chosen(state.changes, () => true, (row) => {
    const known = present.changes.get(row.id);
    return known?.whole ? { ...changeAt(known, at), ...told(row), whole: true } : row;
  });
  const actions = chosen(state.actions, () => true, (row) => ({ reason: row.status === "failed" ? present.actions.get(row.id)?.reason : "", ...row }));
  return { ...state, changes, actions, vendors: vendorsAt(present, at), stale: EMPTY.stale };
}

/** Return the index of the first entry after an instant. */
export function firstAfter(entries, instant) {
  let [low, high] = [0, entries.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (entries[middle].at <= instant) low = middle + 1;
    else high = middle;
  }
  return low;
}

function told({ severity, headline, state, by }) {
  return Object.fromEntries(Object.entries({ severity, headline, state, by }).filter(([, value]) => value !== undefined));
}

function changeAt(row, at) {
  const transitions = row.transitions.filter((step) => isBy(step.at, at));
  const last = transitions.at(-1);
  const isNow = transitions.length === row.transitions.length;
  const state = last?.toState ?? row.transitions[0]?.fromState ?? row.state;
  return { ...row, transitions, state, by: last?.by ?? "", ...(isNow ? {} : { snoozedUntil: null, resolution: "" }) };
}

function actionAt(row, at) {
  const endedAt = row.deliveredAt ?? row.at;
  return endedAt && !isBy(endedAt, at) ? { ...row, status: "queued", reason: "", externalId: "", deliveredAt: null, at: row.createdAt } : row;
}

function vendorsAt(present, at) {
  return chosen(present.vendors, (row) => isBy(row.createdAt, at), (row) => ({ ...row, nextRunAt: null }));
}

function isBy(instant, at) {
  return Boolean(instant) && Date.parse(instant) <= at;
}

function chosen(rows, wanted, made) {
  return new Map([...rows].filter(([, row]) => wanted(row)).map(([id, row]) => [id, made(row)]));
}
