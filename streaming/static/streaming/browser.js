// What a hub takes from the browser, in one place, so that everything else can be handed something else.

export function browser() {
  return {
    clock: {
      now: () => Date.now(),
      set: (callback, wait) => setTimeout(callback, wait),
      clear: (timer) => clearTimeout(timer),
    },
    random: () => Math.random(),
    name: () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join(""),
    fetch: (...asked) => fetch(...asked),
    makeSource: (url, options) => new EventSource(url, options),
    locks: navigator.locks ?? null, // only where the page came safely: https, or this very machine
    openChannel: typeof BroadcastChannel === "function" ? (name) => new BroadcastChannel(name) : null,
    storage: stored(),
    cookie: () => document.cookie,
    base: document.baseURI,
    isOnline: () => navigator.onLine,
    beacon: (url, body) => navigator.sendBeacon(url, body),
    window,
    document,
  };
}

// Where storage is forbidden, even looking at it throws.
function stored() {
  try {
    return localStorage;
  } catch {
    return null;
  }
}
