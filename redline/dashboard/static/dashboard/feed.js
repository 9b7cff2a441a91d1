// One board's life on `GET /v1/stream`: opens, notices silence, comes back where it was, polls while it cannot.
//
//              start                stream.open, stream.caught_up
//   idle ────────────► connecting ───────────────────────────────► live
//                        ▲     │ error · 10 s without an answer      │ error · stream.closing · 2.5 heartbeats of silence
//      timer · online ·  │     ▼                                     │
//      page shown again  └── waiting ◄───────────────────────────────┘
//                              │ third failure, or a refusal that EventSource cannot read: polls besides, until live
//                              ▼
//   stopped ◄── stream.closing with reconnect:false · 401 or 403 from the poll · stop()
//
// Promises its owner: events in order, none twice, `news` false for what is state (from stream.reset to
// stream.caught_up); `onFresh` whenever what is known may be too old to build upon, so that it is read again.
// Reconnects by itself rather than by EventSource, which neither tells when nor gives up in the same way everywhere.
// The seam: a hub that calls onEvent, onFresh and onLink alike may take this file's place.

import { backoff } from "./backoff.js";

export const TYPES = [
  "scheduler.tick",
  "run.stage",
  "change.detected",
  "action.delivered",
  "change.stateChanged",
  "org.entitlements.changed",
];
export const POLL_EVERY = 2_000;
const ANSWER_WITHIN = 10_000;
const SILENT_HEARTBEATS = 2.5;
const POLL_FROM_ATTEMPT = 3;
const REMEMBERED = 1_000;

export class Feed {
  #source = null;
  #cursor = null;
  #seen = new Set();
  #attempt = 0;
  #open = null; // data of stream.open, null while there is none
  #catchingUp = false;
  #link = { mode: "connecting", attempt: 0, nextAt: null, lostAt: null, lastEventAt: null, every: POLL_EVERY, reason: null };
  #timers = { retry: null, silence: null, poll: null };
  #polling = false;
  #round = 0; // a poll's answer counts only in the round that asked
  #deps;

  /**
   * `address(cursor)` gives the URL, `poll(cursor)` resolves to {events, cursor, hasMore} or rejects with a `status`.
   * `clock` is {now, set(callback, ms), clear(timer)}; `isOnline` says whether the machine has a network at all.
   */
  constructor({ address, poll, onEvent, onFresh, onLink, makeSource, clock, random = Math.random, isOnline = () => true }) {
    this.#deps = { address, poll, onEvent, onFresh, onLink, makeSource, clock, random, isOnline };
  }

  get link() {
    return this.#link;
  }

  start() {
    this.#link.lostAt = this.#deps.clock.now();
    this.#connect();
  }

  stop(reason = "stopped") {
    this.#disconnect();
    this.#stopPolling();
    this.#clear("retry");
    this.#say({ mode: "stopped", reason });
  }

  /** Try at once if there is nothing but waiting to do: the network is back, the page is looked at again. */
  wake() {
    if (this.#link.mode === "stopped" || this.#source) return;
    this.#connect();
  }

  /** The machine has lost its network: an open connection is as good as gone. */
  sleep() {
    if (this.#link.mode === "stopped") return;
    this.#lost();
  }

  #connect() {
    this.#clear("retry");
    this.#disconnect();
    const source = this.#deps.makeSource(this.#deps.address(this.#cursor));
    this.#source = source;
    const on = (type, handle) =>
      source.addEventListener(type, (message) => {
        if (source !== this.#source) return;
        this.#hear(message);
        handle(message.data === undefined ? null : JSON.parse(message.data), message);
      });
    on("stream.open", (data) => this.#opened(data));
    on("stream.reset", () => (this.#catchingUp = true));
    on("stream.caught_up", () => this.#caughtUp());
    on("stream.closing", (data) => this.#closing(data));
    on("heartbeat", () => {});
    for (const type of TYPES) on(type, (data, message) => this.#event({ type, data, id: message.lastEventId }));
    source.addEventListener("error", (event) => {
      if (source === this.#source && !("data" in event)) this.#failed(source.readyState === 2);
    });
    this.#listenFor(ANSWER_WITHIN);
    if (this.#link.mode !== "polling") this.#say({ mode: this.#attempt ? "recovering" : "connecting", nextAt: null });
  }

  #opened(data) {
    this.#open = data;
    this.#catchingUp = false;
    this.#listenFor(this.#silence());
  }

  #caughtUp() {
    const fresh = this.#catchingUp || this.#open?.resume !== "ok";
    this.#catchingUp = false;
    this.#attempt = 0;
    this.#stopPolling();
    this.#say({ mode: "live", attempt: 0, nextAt: null, lostAt: null });
    if (fresh) this.#deps.onFresh();
  }

  #event({ type, data, id }) {
    if (id && !this.#catchingUp) {
      if (this.#seen.has(id)) return;
      this.#seen.add(id);
      if (this.#seen.size > REMEMBERED) this.#seen.delete(this.#seen.values().next().value);
    }
    const at = this.#deps.clock.now();
    if (!this.#catchingUp) this.#link = { ...this.#link, lastEventAt: at };
    this.#deps.onEvent({ type, data }, { at, news: !this.#catchingUp });
    if (!this.#catchingUp) this.#deps.onLink(this.#link);
  }

  #closing({ reason, reconnect, retryMs }) {
    if (!reconnect) return this.stop(reason);
    this.#lost(retryMs);
  }

  #hear(message) {
    if (message.lastEventId) this.#cursor = message.lastEventId;
    this.#listenFor(this.#silence());
  }

  #silence() {
    return this.#open ? this.#open.heartbeat * 1000 * SILENT_HEARTBEATS : ANSWER_WITHIN;
  }

  #listenFor(milliseconds) {
    this.#clear("silence");
    this.#timers.silence = this.#deps.clock.set(() => this.#lost(), milliseconds);
  }

  #failed(refused) {
    const unread = refused && !this.#open;
    this.#lost();
    if (unread) this.#startPolling(); // EventSource hides the status; the poll is told why
  }

  #lost(retryMs = null) {
    this.#disconnect();
    this.#clear("retry");
    const { clock, random, isOnline } = this.#deps;
    this.#attempt += 1;
    const wait = retryMs ?? backoff(this.#attempt, random());
    const lostAt = this.#link.lostAt ?? clock.now();
    if (!isOnline()) {
      this.#stopPolling();
      return this.#say({ mode: "offline", attempt: this.#attempt, nextAt: null, lostAt });
    }
    this.#timers.retry = clock.set(() => this.#connect(), wait);
    const mode = this.#link.mode === "polling" ? "polling" : "recovering";
    this.#say({ mode, attempt: this.#attempt, nextAt: clock.now() + wait, lostAt });
    if (this.#attempt >= POLL_FROM_ATTEMPT) this.#startPolling();
  }

  #disconnect() {
    this.#clear("silence");
    this.#source?.close();
    this.#source = null;
    this.#open = null;
    this.#catchingUp = false;
  }

  #startPolling() {
    if (this.#polling || this.#link.mode === "stopped") return;
    this.#polling = true;
    this.#poll(++this.#round);
  }

  #stopPolling() {
    this.#polling = false;
    this.#round += 1;
    this.#clear("poll");
  }

  async #poll(round) {
    let soon = false;
    try {
      const after = this.#cursor;
      const page = await this.#deps.poll(after);
      if (round !== this.#round) return;
      this.#cursor = page.cursor;
      for (const { event, data, id } of page.events) if (TYPES.includes(event)) this.#event({ type: event, data, id });
      soon = page.hasMore;
      if (this.#link.mode !== "live") this.#say({ mode: "polling" });
      if (!after) this.#deps.onFresh();
    } catch (error) {
      if (round !== this.#round) return;
      if (error.status === 401) return this.stop("unauthenticated");
      if (error.status === 403) return this.stop("auth_revoked");
      if (error.status === 410) this.#cursor = null;
      else if (this.#link.mode === "polling") this.#say({ mode: "recovering" });
    }
    this.#timers.poll = this.#deps.clock.set(() => this.#poll(round), soon ? 0 : POLL_EVERY);
  }

  #say(change) {
    this.#link = { ...this.#link, ...change };
    this.#deps.onLink(this.#link);
  }

  #clear(name) {
    if (this.#timers[name] !== null) this.#deps.clock.clear(this.#timers[name]);
    this.#timers[name] = null;
  }
}
