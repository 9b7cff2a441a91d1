// Several tabs, one stream: the leader's link reads for all, the others apply what it tells them.
//
// Every tab keeps its own store, so it knows where it stands, and whoever leads next goes on from there. A message says
// what cursor it came `after`: a follower that does not stand there yet has missed something (it slept, or the new
// leader was further on) and reads the stretch from the polling twin; what it has already, its store drops.
//
//   want {filter}            what a tab is interested in; the leader's stream carries the union, and answers `state`
//   state {cursor, filter, health}   where the leader stands: greeting, answer to a ping, every change of its health
//   told {message, after}    what its store took
//   lead · bye · ping        see leader.js
//
// A tab that crashes says no bye: its wants stay in the union until the leader changes, which costs a few bytes.

import { covers } from "./cursor.js";
import { Leader } from "./leader.js";
import { both, union } from "./topics.js";

const REST = 2_000;
const GATHER = 50;

export class Tabs {
  #leader;
  #link;
  #store;
  #health;
  #read;
  #clock;
  #own = null; // this tab's filter
  #wants = new Map(); // the others'
  #live = null; // what the stream carries and will go on to carry
  #filling = false;
  #waiting = []; // messages that came while a gap was being filled
  #notBefore = 0;

  /** `read({tell})` reads on from the store's cursor; the rest as in leader.js. */
  constructor({ link, store, health, read, clock, ...rest }) {
    this.#link = link;
    this.#store = store;
    this.#health = health;
    this.#read = read;
    this.#clock = clock;
    this.#leader = new Leader({
      ...rest,
      clock,
      onLead: () => this.#lead(),
      onFollow: () => this.#follow(),
      onMessage: (message) => this.#hear(message),
      greeting: () => this.#state(),
    });
    health.watch((now, before) => this.#leader.isLeading && now.lastEventAt === before.lastEventAt && this.#leader.post(this.#state()));
  }

  join() {
    this.#leader.join();
  }

  leave() {
    this.#link.stop();
    this.#leader.leave();
    this.#health.change({ role: "alone" });
  }

  /** Somebody else leads, as the server has noticed. */
  yield() {
    this.leave();
    this.join();
  }

  want(filter) {
    this.#own = filter;
    if (this.#leader.isLeading) this.#gather();
    else this.#leader.post({ kind: "want", filter });
  }

  /** Apply what the leader's own link says, and pass it on. */
  tell(message) {
    const after = this.#store.cursor;
    const taken = this.#store.take(message);
    if (!taken) return;
    if (taken.kind === "caught_up") this.#live = taken.filter;
    this.#leader.post({ kind: "told", message: taken, after });
  }

  #lead() {
    this.#wants.clear();
    this.#live = null;
    this.#health.change({ role: "leader" });
    this.#clock.set(() => this.#begin(), GATHER); // until the others have said what they want
  }

  #begin() {
    if (!this.#leader.isLeading) return;
    this.#gather();
    this.#link.start();
  }

  #follow() {
    this.#link.stop();
    this.#health.change({ role: "follower" });
    this.#leader.post({ kind: "want", filter: this.#own });
  }

  #gather() {
    const wanted = union([this.#own, ...this.#wants.values()].filter(Boolean));
    this.#live = both(this.#live, wanted);
    this.#link.want(wanted);
  }

  #state() {
    const cursor = this.#store.isTellingState ? null : this.#store.cursor;
    return { kind: "state", cursor, filter: this.#live, health: this.#health.record };
  }

  #hear(message) {
    if (message.kind === "bye") this.#wants.delete(message.from);
    if (this.#leader.isLeading) {
      if (message.kind === "want") this.#wants.set(message.from, message.filter);
      if (message.kind === "want" || message.kind === "bye") this.#gather();
      if (message.kind === "want") this.#leader.post(this.#state());
    } else {
      if (message.kind === "lead") this.#led();
      if (message.kind === "state") this.#greeted(message);
      if (message.kind === "told") this.#told(message);
    }
  }

  #greeted({ cursor, filter, health }) {
    const { lastEventAt, online } = this.#health.record;
    this.#health.change({ ...health, lastEventAt, online, role: "follower" });
    if (cursor === null || this.#store.isTellingState) return;
    if (this.#isBehind(cursor)) void this.#fill();
    else this.#store.take(filter ? { kind: "caught_up", cursor, filter } : { kind: "moved", cursor });
  }

  /** Another leader: a state that the last one was telling has no end. */
  #led() {
    this.#store.take({ kind: "opened", resume: "ok" });
    this.#leader.post({ kind: "want", filter: this.#own });
  }

  #told(told) {
    if (this.#filling) return void this.#waiting.push(told);
    if (this.#lacks(told)) void this.#fill(told);
    else if (this.#store.cursor !== null || told.message.kind === "caught_up") this.#store.take(told.message);
  }

  /** Tell whether something is missing between where this tab stands and a message. */
  #lacks({ message, after }) {
    if (this.#store.isTellingState || message.kind === "reset") return false;
    const reach = message.id ?? message.cursor ?? null;
    return reach !== null && this.#isBehind(reach) && this.#isBehind(after);
  }

  /** A tab that wants nothing yet, or stands nowhere, misses nothing. */
  #isBehind(cursor) {
    return this.#own !== null && this.#store.cursor !== null && !covers(this.#store.cursor, cursor);
  }

  /** Read what is missing, then go on with what came meanwhile. */
  async #fill(told = null) {
    if (this.#filling || this.#clock.now() < this.#notBefore) return;
    this.#filling = true;
    this.#waiting = [];
    await this.#read({ tell: (message) => this.#store.take(message) }).catch(() => {});
    this.#filling = false;
    if (told !== null && this.#lacks(told)) this.#notBefore = this.#clock.now() + REST; // the next message tries again
    for (const next of told ? [told, ...this.#waiting.splice(0)] : this.#waiting.splice(0)) this.#told(next);
  }
}
