// The door: one hub gives a page the events of one stream, whatever happens to server, network, machine and tabs.
//
//     const hub = createHub({ url: "/v1/stream", auth: { cookie: true } });
//     hub.subscribe("change.detected", ({ data }) => show(data));
//     hub.start();
//
//   page ◄── topics.js ◄── store.js ◄── link.js ◄── connection.js ◄── native.js or fetched.js
//               wants what    once, in     stays     one stream          the browser's, or by fetch
//                             order        open ▲
//                                ▲               └── fallback.js polls while it cannot
//                                └── tabs.js: what the tab that leads has read
//
// hub.d.ts says what each option and method means.

import { address, asked } from "./address.js";
import { credential } from "./auth.js";
import { browser } from "./browser.js";
import { CONTROL } from "./connection.js";
import { readOn } from "./fallback.js";
import { openFetched } from "./fetched.js";
import { Health } from "./health.js";
import { watchPage } from "./lifecycle.js";
import { Link } from "./link.js";
import { Listeners } from "./listeners.js";
import { openNative } from "./native.js";
import { Requests } from "./requests.js";
import { Store } from "./store.js";
import { Tabs } from "./tabs.js";
import { Topics } from "./topics.js";

export { healthPhrase, healthWords } from "./words.js";
export { createNotifier } from "./notify.js";
export { createTelemetry } from "./telemetry.js";

const POLL_EVERY = 2_000;

/** `environment` stands in for the browser, in tests. */
export function createHub(options, environment = browser()) {
  return new Hub(options, environment);
}

class Hub {
  #env;
  #url;
  #auth;
  #credentials;
  #requests;
  #connection;
  #topics;
  #health;
  #store;
  #link;
  #tabs = null;
  #resets = new Listeners();
  #unwatch = null;

  constructor({ url, auth = { cookie: true }, types = [], scopeOf, fallback = {}, share = null, stream = true }, env) {
    this.#env = env;
    this.#url = new URL(url, env.base).href;
    this.#credentials = new URL(this.#url).origin === new URL(env.base).origin ? "same-origin" : "include";
    this.#auth = credential(auth, { fetch: env.fetch, cookie: env.cookie, url: this.#url, now: env.clock.now });
    this.#requests = new Requests({ url: this.#url, auth: this.#auth, credentials: this.#credentials, fetch: env.fetch, clock: env.clock });
    const isShared = Boolean(share && env.locks && env.openChannel);
    const shared = `streaming ${share} ${this.#url}`; // two feeds of one person are two streams
    this.#connection = isShared ? kept(env, shared) : env.name();
    this.#health = new Health(env.clock);
    this.#topics = new Topics({ declared: types, named: scopeOf, changed: () => this.#wanted() });
    this.#store = new Store({ topics: this.#topics, health: this.#health, clock: env.clock, onReset: (reason) => this.#resets.tell(reason) });
    this.#link = new Link(this.#linked(fallback, stream));
    if (isShared) this.#tabs = new Tabs(this.#shared(shared, fallback));
  }

  get health() {
    return this.#health.record;
  }

  onHealth(listener) {
    return this.#health.watch(listener);
  }

  onReset(listener) {
    return this.#resets.add(listener);
  }

  subscribe(types, ...rest) {
    const [scope, listener, { onFresh } = {}] = typeof rest[0] === "function" ? [{}, ...rest] : rest;
    return this.#topics.subscribe({ types, scope, listener, onFresh });
  }

  start() {
    if (this.#unwatch) return;
    const { window, document } = this.#env;
    this.#unwatch = watchPage({ window, document, on: this.#moments() });
    this.#health.change({ stopped: null });
    if (!this.#env.isOnline()) this.#offline();
    this.#join();
  }

  /** `reason` is what health says of it; start() begins again where it stopped. */
  stop(reason = "stopped") {
    this.#unwatch?.();
    this.#unwatch = null;
    this.#leave();
    this.#health.change({ stopped: reason });
  }

  useStream(on) {
    this.#link.useStreams(on);
  }

  #join() {
    if (this.#tabs) this.#tabs.join();
    else this.#link.start();
  }

  #leave() {
    if (this.#tabs) this.#tabs.leave();
    else this.#link.stop();
  }

  #moments() {
    return {
      away: () => {
        this.#link.hold("away");
        this.#leave();
      },
      back: () => {
        this.#link.release("away");
        this.#join();
      },
      offline: () => this.#offline(),
      online: () => {
        this.#health.change({ online: true });
        this.#link.release("offline");
      },
      shown: () => this.#link.wake(),
    };
  }

  #offline() {
    this.#health.change({ online: false });
    this.#link.hold("offline");
  }

  #wanted() {
    const { filter } = this.#topics;
    if (this.#tabs) this.#tabs.want(filter);
    else this.#link.want(filter);
  }

  #tell(message) {
    if (this.#tabs) this.#tabs.tell(message);
    else this.#store.take(message);
  }

  // The server has ended it for good. Among tabs, `superseded` is another one that leads.
  #ended(reason) {
    if (this.#tabs && reason === "superseded") return this.#tabs.yield();
    this.#health.change({ stopped: reason });
  }

  // -- how the parts are put together

  #linked(fallback, streams) {
    const { clock, random } = this.#env;
    return {
      open: (wanted, handlers) => this.#open(wanted, handlers),
      read: fallback && ((round) => this.#read(fallback, round)),
      every: fallback?.every ?? POLL_EVERY,
      why: ({ filter, access }) => this.#requests.why(this.#address(filter, access)),
      auth: this.#auth,
      keyOf: (filter) => this.#address(filter, { query: {} }),
      streams,
      cursor: () => this.#store.cursor,
      tell: (message) => this.#tell(message),
      onStop: (reason) => this.#ended(reason),
      health: this.#health,
      clock,
      random,
    };
  }

  #shared(name, { snapshot }) {
    const { clock, random, locks, openChannel } = this.#env;
    const read = ({ tell }) => this.#read({ snapshot }, { tell, filter: () => this.#topics.filter });
    const parts = { link: this.#link, store: this.#store, health: this.#health, read };
    return { ...parts, name, tab: this.#env.name(), locks, openChannel, clock, random };
  }

  #read({ poll, snapshot }, round) {
    const ask = async (cursor, filter) => (poll ? poll(cursor) : this.#requests.page(cursor, filter));
    return readOn({ ask, snapshot, store: this.#store, ...round });
  }

  #open({ filter, cursor, access }, { onMessage, onEnd }) {
    const { fetch, makeSource, clock } = this.#env;
    const credentials = this.#credentials;
    if (this.#auth.native) {
      const url = this.#address(filter, access, { refusal: "stream", lastEventId: cursor });
      return openNative({ url, credentials, types: new Set([...CONTROL, ...filter.types]), makeSource, onMessage, onEnd });
    }
    const headers = cursor === null ? access.headers : { ...access.headers, "Last-Event-ID": cursor };
    return openFetched({ url: this.#address(filter, access), headers, credentials, fetch, now: clock.now, onMessage, onEnd });
  }

  #address(filter, access, more = {}) {
    return address(this.#url, { ...asked(filter), heartbeat: "event", connection: this.#connection, ...more, ...access.query });
  }
}

// One name for all tabs of a browser that share, so that a leader's stream ends that of a leader that was.
function kept({ storage, name }, key) {
  const fresh = name();
  try {
    const found = storage?.getItem(key);
    if (!found) storage?.setItem(key, fresh);
    return found ?? fresh;
  } catch {
    return fresh;
  }
}
