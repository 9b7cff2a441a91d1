// One of several tabs: who holds the lock leads, the others follow, and a leader that stops answering is replaced.
//
//                lock granted                      lock stolen · a higher term heard
//   following ─────────────────► leading ─────────────────────────────────────► following (and in the queue again)
//       │  ▲  3 pings unanswered: steals the lock        leave(): page hidden for good, frozen, stopped
//       └──┘
//
// Web Locks give the lock to the next in the queue when a tab closes or crashes. A tab that is frozen keeps it, so the
// followers ping: messages reach even a tab whose timers are throttled, only a frozen one does not answer. Whoever
// leads anew says a higher term; what a leader of an older term says, when it wakes, is not heard.

const BEAT = 1_000;
const UNANSWERED = 3;

export class Leader {
  #deps;
  #channel = null;
  #queued = null; // AbortController of the request that waits for the lock
  #yield = null; // lets the lock go; null while following
  #round = 0;
  #term = 0;
  #heard = true;
  #pings = 0;
  #timer = null;

  /**
   * `onLead()` and `onFollow()` tell the role, `onMessage(message)` what other tabs say, `greeting()` what a ping is
   * answered with. `locks` is navigator.locks, `openChannel(name)` makes a BroadcastChannel, `tab` names this one.
   */
  constructor({ name, tab, locks, openChannel, clock, random, onLead, onFollow, onMessage, greeting }) {
    this.#deps = { name, tab, locks, openChannel, clock, random, onLead, onFollow, onMessage, greeting };
  }

  get isLeading() {
    return this.#yield !== null;
  }

  join() {
    if (this.#channel) return;
    const { name, openChannel, onFollow } = this.#deps;
    this.#channel = openChannel(name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    onFollow();
    this.#queue();
    this.#watch();
  }

  leave() {
    if (!this.#channel) return;
    this.post({ kind: "bye" });
    this.#stand();
    this.#deps.clock.clear(this.#timer);
    this.#channel.close();
    this.#channel = null;
  }

  /** Say something to every other tab. */
  post(message) {
    this.#channel?.postMessage({ ...message, from: this.#deps.tab, term: this.isLeading ? this.#term : null });
  }

  #queue() {
    this.#queued = new AbortController();
    this.#request({ signal: this.#queued.signal });
  }

  #request(options) {
    const round = ++this.#round;
    this.#deps.locks.request(this.#deps.name, options, () => this.#granted(round)).catch(() => this.#lost(round));
  }

  #granted(round) {
    if (round !== this.#round) return undefined; // left meanwhile: lets the lock go at once
    const held = new Promise((resolve) => (this.#yield = resolve));
    this.#term = Math.max(this.#term + 1, this.#deps.clock.now()); // a tab that has just come knows no older term
    this.post({ kind: "lead" });
    this.#deps.onLead();
    return held;
  }

  /** The lock was stolen. A request that leave() or a steal of our own has ended is of an older round. */
  #lost(round) {
    if (round !== this.#round) return;
    this.#stand();
    this.#deps.onFollow();
    this.#queue();
  }

  /** Neither lead nor wait any more. */
  #stand() {
    this.#round += 1;
    this.#queued?.abort();
    this.#yield?.();
    this.#yield = null;
  }

  #hear(message) {
    const { onMessage, greeting } = this.#deps;
    if (message.term !== null) {
      if (message.term < this.#term) return; // a leader that was, and has slept
      if (this.isLeading && message.term > this.#term) this.#lost(this.#round);
      this.#term = message.term;
      this.#heard = true;
    }
    if (message.kind === "ping" && this.isLeading) this.post(greeting());
    onMessage(message);
  }

  #watch() {
    if (!this.isLeading) this.#look();
    this.#timer = this.#deps.clock.set(() => this.#watch(), BEAT * (1 + this.#deps.random() / 4));
  }

  #look() {
    if (this.#heard) this.#pings = 0;
    this.#heard = false;
    if (this.#pings >= UNANSWERED) return this.#steal();
    this.#pings += 1;
    this.post({ kind: "ping" });
  }

  #steal() {
    this.#pings = 0;
    this.#stand();
    this.#request({ steal: true });
  }
}
