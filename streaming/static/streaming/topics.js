// Who wants which events: subscriptions, what they come down to together, and whom an event is for.
//
// A filter is {types: [...], scope: {...}}, and what is asked of the server is the union of all: every type that
// somebody wants, and of the scopes what they all have in common. So the stream may carry more than one subscription
// asked for; each is given only what does not contradict its own scope. An event contradicts a scope by a key that it
// names with another value, `null` included; one that does not name a key at all was judged by the server.

import { safely } from "./listeners.js";

export class Topics {
  #all = new Set();
  #declared;
  #named;
  #changed;
  #live = null; // what the stream carries and will go on to carry

  /**
   * `declared` are the feed's types, for patterns; `named(event)` returns the scope's keys that an event names;
   * `changed()` is called when the union may be another.
   */
  constructor({ declared = [], named = keysOf, changed }) {
    this.#declared = declared;
    this.#named = named;
    this.#changed = changed;
  }

  /** `types` is one, several, or patterns (`section.*`, `*`) among the declared. Return what ends the subscription. */
  subscribe({ types, scope = {}, listener, onFresh = () => {} }) {
    const filter = { types: expand(types, this.#declared), scope: texts(scope) };
    const entry = { filter, types: new Set(filter.types), listener, onFresh, isFresh: false };
    this.#all.add(entry);
    if (this.#live && covered(this.#live, filter)) queueMicrotask(() => this.#all.has(entry) && refresh(entry));
    this.#narrow();
    return () => void (this.#all.delete(entry) && this.#narrow());
  }

  /** Return the union of all subscriptions, null where there are none. */
  get filter() {
    return union([...this.#all].map((entry) => entry.filter));
  }

  deliver(event) {
    for (const { types, filter, listener } of [...this.#all]) {
      if (types.has(event.type) && agrees(filter.scope, this.#named(event))) safely(listener, event);
    }
  }

  /** The stream of this filter has caught up: tell those who are new to it, or all where what they know is too old. */
  caughtUp(filter, { all }) {
    this.#live = filter;
    for (const entry of [...this.#all]) {
      if (covered(filter, entry.filter) && (all || !entry.isFresh)) refresh(entry);
    }
  }

  // A stream that is wider than the union will be replaced: who counts on the rest would miss what comes meanwhile.
  #narrow() {
    this.#live = both(this.#live, this.filter);
    this.#changed();
  }
}

function refresh(entry) {
  entry.isFresh = true;
  safely(entry.onFresh);
}

/** Return one filter that carries all of these; null for none. */
export function union(filters) {
  if (filters.length === 0) return null;
  const types = [...new Set(filters.flatMap((filter) => filter.types))].sort();
  const [first, ...others] = filters.map((filter) => filter.scope);
  const common = Object.entries(first).filter(([key, value]) => others.every((scope) => scope[key] === value));
  return { types, scope: Object.fromEntries(common.sort()) };
}

/** Tell whether a stream of filter `wide` carries all that `narrow` asks for. */
export function covered(wide, narrow) {
  return narrow.types.every((type) => wide.types.includes(type)) && Object.entries(wide.scope).every(([key, value]) => narrow.scope[key] === value);
}

/** Return what both filters carry, null for nothing. */
export function both(one, other) {
  if (one === null || other === null) return null;
  if (Object.entries(one.scope).some(([key, value]) => (other.scope[key] ?? value) !== value)) return null;
  return { types: one.types.filter((type) => other.types.includes(type)), scope: { ...one.scope, ...other.scope } };
}

export function equal(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}

function agrees(scope, named) {
  return Object.entries(scope).every(([key, value]) => !(key in named) || named[key] === value || String(named[key]) === value);
}

// An envelope has its payload inside; other feeds are their payload.
function keysOf({ data }) {
  return data !== null && typeof data === "object" ? (data.payload ?? data) : {};
}

function expand(asked, declared) {
  const types = [asked].flat().flatMap((type) => (type.endsWith("*") ? declared.filter((one) => one.startsWith(type.slice(0, -1))) : [type]));
  if (types.length === 0) throw new Error(`No type of this hub is like ${asked}; name the feed's types in createHub({types}).`);
  return [...new Set(types)].sort();
}

function texts(scope) {
  return Object.fromEntries(Object.entries(scope).filter(([, value]) => value != null).map(([key, value]) => [key, String(value)]).sort());
}
