// A stream by the browser's own EventSource, for credentials that need no header.
//
// It reconnects by itself with the URL it was opened with, so it is closed at its first error: the link opens anew,
// with a fresh ticket and the cursor of that moment. It shows only types that it was told to listen for, and hides
// whether a message had an id of its own: one that repeats the last id had none, because ids never come twice. What a
// refusal's status was it does not tell, hence `refused` without one.

const CLOSED = 2;

/** Open `url`; tells onMessage({type, data, id}) and, once, onEnd({refused}). Return what closes it. */
export function openNative({ url, credentials, types, makeSource, onMessage, onEnd }) {
  const source = makeSource(url, { withCredentials: credentials === "include" });
  let last = "";
  const hear = (event) => {
    if (!("data" in event)) return;
    const id = event.lastEventId === last ? null : event.lastEventId;
    last = event.lastEventId;
    onMessage({ type: event.type, data: event.data, id });
  };
  for (const type of types) source.addEventListener(type, hear);
  source.addEventListener("error", (event) => {
    if ("data" in event) return; // an event of that name, not the connection's
    const refused = source.readyState === CLOSED;
    source.close();
    onEnd({ refused });
  });
  return { close: () => source.close() };
}
