// Keeps one stream open: opens, comes back where it was, renews before a credential ends.
//
//            start()                 stream.open
//   stopped ────────► connecting ───────────────────► open ──┐ a token ends soon · another filter:
//      ▲                ▲     │ refused · cut ·        │ ▲    │ the next connection is opened beside it, and takes over
//      │      timer ·   │     ▼ 10 s of silence        │ └────┘ at its stream.open; the old one is then closed
//      │      wake()    └── waiting ◄──────────────────┘ lost
//      │                       │ 5 s without an open stream, 5 failures in a row, or 3 streams that died within 1 s:
//      │                       ▼ degraded, and standin.js polls besides, until the next stream.open
//      └── reconnect:false · 401 with nothing else to show · 403 · 404 · stop()
//
// hold(why) and release(why) stop and resume all of it, for as long as any reason stands. At most one source tells at
// any time: a connection that has not opened tells nothing, and a poll's answer that comes after stream.open is
// nobody's. Which event is new is for the store to say, so whoever takes over may begin a little too early.

import { Attempt } from "./attempt.js";
import { Attempts, BRIEF } from "./attempts.js";
import { StandIn } from "./standin.js";
import { Timers } from "./timers.js";
import { equal } from "./topics.js";

const GATHER = 100;
const HURRY = 2_000;
const LEAST_LEFT = 1_000;
const FINAL = { 403: "forbidden", 404: "not-found" };

export class Link {
  #deps;
  #health;
  #clock;
  #auth;
  #timers;
  #attempts;
  #standIn;
  #filter = null;
  #streams;
  #running = false;
  #held = new Set(); // of reasons why nothing may be tried
  #current = null; // the attempt that is open
  #next = null; // the one on its way
  #refusals = 0;

  /**
   * `open({filter, cursor, access}, handlers)` starts a transport; `read({filter, tell, isWanted})` is a round of
   * polling, null for none; `why({filter, access})` resolves to the Refusal that a transport cannot see; `keyOf(filter)`
   * names a query; `streams` says whether any may be opened; `cursor()` is where to go on; `tell(message)` is told what connections and polls tell, and
   * `onStop(reason)` that it has ended for good.
   */
  constructor({ open, read, why, auth, keyOf, streams, cursor, tell, onStop, health, clock, random, every }) {
    this.#streams = streams;
    this.#deps = { open, why, keyOf, cursor, tell, onStop, random };
    this.#health = health;
    this.#clock = clock;
    this.#auth = auth;
    this.#timers = new Timers(clock);
    this.#attempts = new Attempts({ random, clock });
    this.#standIn = new StandIn({
      read: read && (({ isWanted }) => read({ filter: () => this.#filter, tell, isWanted })),
      isAllowed: () => this.#held.size === 0 && this.#filter !== null,
      onBack: () => this.#hurry(),
      onRefused: ({ status }) => this.#pollRefused(status),
      every,
      clock,
      health,
    });
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#refusals = 0;
    this.#attempts.begin();
    this.#health.change({ status: "recovering", stopped: null, retryAttempt: 0, lostAt: this.#clock.now() });
    this.#begin();
  }

  /** Close and forget; `health` is left to whoever stopped it. */
  stop() {
    this.#running = false;
    this.#disconnect();
  }

  hold(why) {
    this.#held.add(why);
    const wasOpen = this.#current !== null;
    this.#disconnect();
    if (!this.#running) return;
    if (wasOpen) this.#health.change({ status: "recovering", lostAt: this.#clock.now() });
    this.#standIn.later();
  }

  release(why) {
    if (this.#held.delete(why)) this.#begin();
  }

  /** Open streams from now on, or poll only; what is open is closed then. */
  useStreams(streams) {
    if (streams === this.#streams) return;
    this.#streams = streams;
    if (!this.#running) return;
    this.#disconnect();
    if (streams) this.#health.change({ lostAt: this.#clock.now() });
    this.#begin();
  }

  /** Try now if there is nothing but waiting to do, and look whether an open stream is still alive. */
  wake() {
    this.#current?.look();
    this.#begin();
  }

  /** Say what is wanted; a stream that carries something else is replaced by one that carries this. */
  want(filter) {
    if (equal(filter, this.#filter)) return;
    this.#filter = filter;
    if (!this.#running || this.#held.size > 0) return;
    if (this.#timers.has("retry") && filter !== null) return; // the next attempt asks for it
    this.#timers.set("gather", () => this.#gathered(), this.#current || this.#next ? GATHER : 0);
  }

  get #isWaiting() {
    return this.#running && this.#held.size === 0 && this.#filter !== null && !this.#current && !this.#next;
  }

  #begin() {
    if (!this.#isWaiting) return;
    if (!this.#streams) this.#health.change({ lostAt: null, retryAttempt: 0, refusal: null });
    if (!this.#streams || this.#health.record.status === "degraded") this.#standIn.begin();
    else this.#standIn.later();
    if (this.#streams) this.#connect();
  }

  #gathered() {
    const carried = this.#next ?? this.#current;
    if (this.#filter === null) this.#disconnect();
    else if (!carried) this.#begin();
    else if (!equal(carried.filter, this.#filter)) this.#connect();
    else if (carried.hasCaughtUp) this.#caughtUpAgain(carried.filter);
  }

  // For those who came while another filter was on its way, and nothing had to be replaced in the end.
  #caughtUpAgain(filter) {
    const { tell, cursor } = this.#deps;
    tell({ kind: "caught_up", cursor: cursor(), filter });
  }

  // -- connecting

  #connect() {
    const { open, why, keyOf, cursor } = this.#deps;
    this.#timers.clear("retry", "gather");
    this.#next?.close();
    this.#health.change({ nextAttemptAt: null });
    const attempt = new Attempt({
      filter: this.#filter,
      key: keyOf(this.#filter),
      auth: this.#auth,
      clock: this.#clock,
      tell: (message) => this.#hear(attempt, message),
      open,
      why,
      cursor,
    });
    this.#next = attempt;
  }

  #hear(attempt, message) {
    if (message.kind === "ended") return this.#ended(attempt, message);
    if (message.kind === "opened") this.#opened(attempt, message);
    if (message.kind === "heartbeat") this.#health.change({ lastHeartbeatAt: this.#clock.now() });
    this.#deps.tell(message);
  }

  #opened(attempt, { reconnectToken }) {
    this.#current?.close();
    this.#current = attempt;
    this.#next = null;
    this.#refusals = 0;
    this.#timers.clear("retry");
    this.#standIn.end();
    this.#attempts.opened();
    this.#auth.offered(reconnectToken, attempt.key);
    this.#renewBefore(attempt.expiresAt);
    if (this.#attempts.areCutShort) this.#timers.set("proof", () => this.#healthy(), BRIEF);
    else this.#healthy();
  }

  #healthy() {
    this.#health.change({ status: "healthy", lostAt: null, retryAttempt: 0, nextAttemptAt: null, refusal: null });
  }

  /** Replace the stream a little before its credential ends; of one that is about to, the server tells. */
  #renewBefore(expiresAt) {
    const left = (expiresAt ?? 0) - this.#clock.now();
    if (left < LEAST_LEFT) return this.#timers.clear("renew");
    this.#timers.set("renew", () => this.#renew(), left - Math.min(30_000, left / 5));
  }

  #renew() {
    if (!this.#current) return;
    this.#auth.renew();
    this.#connect();
  }

  // -- ending

  #ended(attempt, end) {
    const isRenewable = (end.status === 401 || end.reason === "auth_expired") && this.#auth.refused();
    if (attempt === this.#next) this.#next = null;
    else this.#lost({ isReplaced: this.#next !== null && end.reason === "superseded" });
    if (this.#current) this.#renewLater(end);
    else if (!this.#next) this.#judge(end, { isRenewable }); // else its successor is on the way
  }

  /** The successor has failed, and the old stream still carries. */
  #renewLater({ status, retryMs }) {
    this.#health.change({ refusal: status });
    this.#timers.set("renew", () => this.#connect(), this.#attempts.pause(retryMs));
  }

  // A server ends the old stream for the sake of the new one, which is on its way: that is as planned.
  #lost({ isReplaced }) {
    this.#current = null;
    this.#timers.clear("renew", "proof");
    if (!isReplaced) this.#recover();
  }

  #recover() {
    if (this.#health.record.status === "healthy") this.#health.change({ status: "recovering", lostAt: this.#clock.now() });
    this.#standIn.later();
  }

  #judge(end, { isRenewable }) {
    this.#recover();
    if (!end.reconnect && end.reason !== "disabled") return this.#finish(end.reason);
    if (FINAL[end.status]) return this.#finish(FINAL[end.status]);
    if (end.status === 401 && (!isRenewable || ++this.#refusals > 1)) return this.#finish("unauthenticated");
    this.#attempts.ended(end);
    const atOnce = end.status === 401 || (end.silent && end.opened); // with something else to show; after a sleep
    this.#retryIn(atOnce ? 0 : this.#attempts.pause(end.retryMs), end.status);
    if (this.#attempts.areFailing) this.#standIn.begin();
  }

  #retryIn(wait, refusal) {
    this.#health.change({ retryAttempt: this.#attempts.next, nextAttemptAt: this.#clock.now() + wait, refusal });
    this.#timers.set("retry", () => this.#connect(), wait);
  }

  /** A poll has found the server back: no need to wait for the whole of a long pause. */
  #hurry() {
    const wait = this.#deps.random() * HURRY;
    if (this.#isWaiting && this.#health.record.nextAttemptAt - this.#clock.now() > wait) this.#retryIn(wait, null);
  }

  #pollRefused(status) {
    if (FINAL[status]) this.#finish(FINAL[status]);
    else if (status === 401 && !this.#auth.refused()) this.#finish("unauthenticated");
  }

  #finish(reason) {
    this.stop();
    this.#deps.onStop(reason);
  }

  #disconnect() {
    for (const one of [this.#current, this.#next]) one?.close();
    this.#current = this.#next = null;
    this.#timers.clearAll();
    this.#standIn.end();
    this.#health.change({ nextAttemptAt: null });
  }
}
