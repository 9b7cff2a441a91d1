// What happens to a page and its machine, in four words: away, back, offline, online; and shown, when somebody looks.
//
// A page that is put into the back/forward cache or frozen is away: an open stream would keep it out of the cache, and
// a frozen page would hold a stream that it does not read. It is back when it is shown or resumed.

/** Tell `on.away()` and so on; return what ends it. */
export function watchPage({ window, document, on }) {
  const watched = [
    [window, "pagehide", on.away],
    [window, "pageshow", (event) => event.persisted && on.back()],
    [document, "freeze", on.away],
    [document, "resume", on.back],
    [window, "offline", on.offline],
    [window, "online", on.online],
    [document, "visibilitychange", () => document.visibilityState === "visible" && on.shown()],
  ];
  for (const [target, type, listener] of watched) target.addEventListener(type, listener);
  return () => {
    for (const [target, type, listener] of watched) target.removeEventListener(type, listener);
  };
}
