// One connection, from its request to its end.
//
//   asking ──stream.open──► catching up ──stream.caught_up──► live
//     │                        │    ▲                          │
//     │                        │    └──── stream.reset ────────┤
//     │ refused · cut ·        │ stream.closing · cut ·        │
//     │ 10 s of silence        │ 2.5 heartbeats of silence     │
//     └──────────► ended ◄─────┴───────────────────────────────┘      close(): ended, and nothing more is told
//
// It knows the protocol and nothing of retries: whoever made it is told, in order,
//
//   opened {resume, reconnectToken} · moved {cursor} · event {id, type, data} · heartbeat · reset {reason} ·
//   caught_up {cursor} · ended {status, refused, reason, reconnect, retryMs, silent, opened, lived}
//
// and `ended` exactly once. Silence is judged by the wall clock, in small steps: after a laptop's sleep timers still
// have their old time to run, but the clock has moved.

export const CONTROL = ["stream.open", "stream.reset", "stream.caught_up", "stream.closing", "heartbeat"];

const ANSWER_WITHIN = 10_000;
const SILENT_HEARTBEATS = 2.5;
const LOOK_EVERY = 5_000;

export class Connection {
  #transport;
  #clock;
  #tell;
  #timer = null;
  #heardAt;
  #patience = ANSWER_WITHIN;
  #openedAt = null;
  #ended = false;

  /** `open({onMessage, onEnd})` starts a transport and returns {close()}. */
  constructor({ open, clock, tell }) {
    this.#clock = clock;
    this.#tell = tell;
    this.#heardAt = clock.now();
    this.#transport = open({ onMessage: (message) => this.#hear(message), onEnd: (end) => this.#end(end) });
    this.#look();
  }

  close() {
    if (this.#ended) return;
    this.#ended = true;
    this.#clock.clear(this.#timer);
    this.#transport?.close();
  }

  /** End it now if it has been silent for too long; for moments that may come after a long sleep. */
  look() {
    if (this.#ended) return;
    this.#clock.clear(this.#timer);
    this.#look();
  }

  #look() {
    const now = this.#clock.now();
    this.#heardAt = Math.min(this.#heardAt, now); // a clock that was put back must not make it immortal
    const left = this.#heardAt + this.#patience - now;
    if (left <= 0) return this.#end({ silent: true });
    this.#timer = this.#clock.set(() => this.#look(), Math.min(left, LOOK_EVERY));
  }

  #hear({ type, data: text, id }) {
    if (this.#ended) return;
    this.#heardAt = this.#clock.now();
    const data = parsed(text);
    if (data === undefined) return; // not of our server: its data is always JSON
    if (type === "stream.open") return this.#open(data, id);
    if (this.#openedAt === null && type !== "stream.closing") return;
    if (type === "stream.reset") return this.#tell({ kind: "reset", reason: data.reason });
    if (type === "stream.caught_up") return this.#tell({ kind: "caught_up", cursor: data.cursor });
    if (type === "stream.closing") return this.#end(data);
    if (type === "heartbeat") this.#tell({ kind: "heartbeat" });
    if (type === "heartbeat" && id) return this.#tell({ kind: "moved", cursor: id });
    this.#tell({ kind: "event", id, type, data }); // a feed may have a heartbeat of its own, which is an event
  }

  #open({ resume, heartbeat, reconnectToken = null }, id) {
    this.#openedAt = this.#clock.now();
    this.#patience = heartbeat * 1_000 * SILENT_HEARTBEATS;
    this.#tell({ kind: "opened", resume, reconnectToken });
    if (id) this.#tell({ kind: "moved", cursor: id });
  }

  #end({ status = null, refused = false, reason = null, reconnect = true, retryMs = null, silent = false }) {
    if (this.#ended) return;
    this.close();
    const opened = this.#openedAt !== null;
    const lived = opened ? this.#clock.now() - this.#openedAt : 0;
    this.#tell({ kind: "ended", status, refused, reason, reconnect, retryMs, silent, opened, lived });
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
