// What the browser gives a hub, in the hands of a test: time that passes when told, sockets that say what they are told.

export class Clock {
  time = 1_000_000;
  #due = new Map();
  #next = 1;

  now = () => this.time;
  set = (callback, wait) => {
    this.#due.set(this.#next, [this.time + wait, callback]);
    return this.#next++;
  };
  clear = (timer) => this.#due.delete(timer);

  get waiting() {
    return this.#due.size;
  }

  /** Let time pass, timer by timer. */
  async pass(milliseconds) {
    const end = this.time + milliseconds;
    await settled();
    for (;;) {
      const [timer, [at, callback]] = [...this.#due].sort(([, [a]], [, [b]]) => a - b)[0] ?? [null, [Infinity]];
      if (at > end) break;
      this.#due.delete(timer);
      this.time = Math.max(this.time, at);
      callback();
      await settled();
    }
    this.time = end;
  }

  /** Sleep as a laptop does: the clock goes on, the timers keep their time to run. */
  sleep(milliseconds) {
    this.time += milliseconds;
    for (const entry of this.#due.values()) entry[0] += milliseconds;
  }
}

/** Wait until everything that was promised has come. */
export async function settled() {
  for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
}

export class Source extends EventTarget {
  readyState = 0;
  #last = "";

  constructor(url, options) {
    super();
    Object.assign(this, { url: new URL(url), options });
  }

  get isClosed() {
    return this.readyState === 2;
  }

  close() {
    this.readyState = 2;
  }

  say(type, data, id = null) {
    if (this.isClosed) return;
    this.#last = id ?? this.#last;
    const event = new Event(type);
    Object.assign(event, { data: typeof data === "string" ? data : JSON.stringify(data), lastEventId: this.#last });
    this.dispatchEvent(event);
  }

  /** Fail as the network does (0: it would reconnect) or as a refusal does (2: it never would). */
  fail(readyState = 0) {
    if (this.isClosed) return;
    this.readyState = readyState;
    this.dispatchEvent(new Event("error"));
  }

  open({ cursor = "e.1.0000000a", resume = "none", heartbeat = 15, reconnectToken } = {}) {
    const id = resume === "reset" ? null : cursor;
    this.say("stream.open", { cursor: id, resume, snapshot: resume === "reset", heartbeat, reconnectToken }, id);
  }

  caughtUp(cursor, replayed = 0) {
    this.say("stream.caught_up", { cursor, replayed }, cursor);
  }

  closing({ reason, reconnect = true, retryMs = 1_200 }) {
    this.say("stream.closing", { reason, reconnect, retryMs });
  }
}

/** Return the cursor of a sequence in this log. */
export function cursor(sequence, epoch = "e") {
  return `${epoch}.${sequence}.${String(sequence).padStart(8, "0")}`;
}

/** A `fetch` that answers by a function of the request; `asked` keeps what was asked. */
export function fetcher(answer) {
  const fetch = async (url, options = {}) => {
    const request = { url: new URL(url), method: "GET", ...options };
    fetch.asked.push(request);
    const given = await answer(request);
    if (given instanceof Response) return given;
    if (given === null) throw new TypeError("network");
    const { status = 200, headers = {}, ...body } = given;
    return Response.json(body, { status, headers });
  };
  fetch.asked = [];
  return fetch;
}

/** The browser's locks and channels, shared by the tabs of a test. */
export class Browser {
  #locks = new Map(); // by name: {held, queue}
  #channels = new Set();

  locks = {
    request: (name, { signal, steal = false }, callback) =>
      new Promise((resolve, reject) => {
        if (!this.#locks.has(name)) this.#locks.set(name, { held: null, queue: [] });
        const lock = this.#locks.get(name);
        const request = { callback, resolve, reject };
        if (steal) {
          lock.held?.reject(new DOMException("stolen", "AbortError"));
          lock.held = null;
          lock.queue.unshift(request);
        } else {
          signal?.addEventListener("abort", () => {
            const at = lock.queue.indexOf(request);
            if (at < 0) return;
            lock.queue.splice(at, 1);
            reject(new DOMException("aborted", "AbortError"));
          });
          lock.queue.push(request);
        }
        queueMicrotask(() => grant(lock));
      }),
  };

  openChannel = (name) => {
    const channel = {
      name,
      onmessage: null,
      isDeaf: false,
      postMessage: (message) => {
        const data = structuredClone(message);
        for (const other of this.#channels) if (other !== channel && other.name === name) queueMicrotask(() => other.hear(data));
      },
      hear: (data) => this.#channels.has(channel) && !channel.isDeaf && channel.onmessage?.({ data }),
      close: () => this.#channels.delete(channel),
    };
    this.#channels.add(channel);
    return channel;
  };
}

function grant(lock) {
  if (lock.held || lock.queue.length === 0) return;
  const request = (lock.held = lock.queue.shift());
  Promise.resolve(request.callback({})).then((value) => {
    request.resolve(value);
    if (lock.held === request) lock.held = null;
    grant(lock);
  });
}

export function storage() {
  const kept = new Map();
  return { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, String(value)) };
}

/** Return an environment for createHub, and what a test holds of it. */
export function environment({ clock = new Clock(), browser = new Browser(), fetch = fetcher(() => null), kept = storage(), online = true, random = () => 1 } = {}) {
  const sources = [];
  const window = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  let names = 0;
  const at = { clock, sources, window, document, fetch, online };
  at.env = {
    clock,
    random,
    name: () => `name-${(names += 1)}`,
    fetch,
    makeSource: (url, options) => (sources.push(new Source(url, options)), sources.at(-1)),
    locks: browser.locks,
    openChannel: browser.openChannel,
    storage: kept,
    cookie: () => "csrftoken=c5rf",
    base: "https://app.example/page",
    isOnline: () => at.online,
    window,
    document,
  };
  Object.defineProperty(at, "source", { get: () => sources.at(-1) });
  Object.defineProperty(at, "open", { get: () => sources.filter((source) => !source.isClosed) });
  return at;
}
