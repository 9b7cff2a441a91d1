// A stream by `fetch`, for credentials that go in a header.

import { Refusal, refusalOf } from "./refusal.js";
import { Messages } from "./sse.js";

/** Open `url`; tells onMessage({type, data, id}) and, once, onEnd({status, retryMs}). Return what closes it. */
export function openFetched({ url, headers, credentials, fetch, now, onMessage, onEnd }) {
  const abort = new AbortController();
  read({ url, headers, credentials, fetch, now, onMessage, signal: abort.signal }).then(
    () => onEnd({ status: null, retryMs: null }),
    (error) => onEnd(error instanceof Refusal ? error : { status: null, retryMs: null }),
  );
  return { close: () => abort.abort() };
}

async function read({ url, headers, credentials, fetch, now, onMessage, signal }) {
  const response = await fetch(url, { headers: { Accept: "text/event-stream", ...headers }, credentials, cache: "no-store", signal });
  if (response.status !== 200) throw await refusalOf(response, now());
  if (!/^text\/event-stream\b/i.test(response.headers.get("Content-Type") ?? "")) {
    void response.body?.cancel();
    throw new Refusal({ status: 415 }); // a page of some proxy in the stream's place
  }
  const messages = new Messages(onMessage);
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) messages.push(part.value);
}
