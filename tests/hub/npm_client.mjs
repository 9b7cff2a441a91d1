// The npm package `eventsource` as a page of its documentation uses it: one line per event on stdout.
//
//     node npm_client.mjs PACKAGE URL TOKEN TYPE…

import { pathToFileURL } from "node:url";

const [library, url, token, ...types] = process.argv.slice(2);
const { EventSource } = await import(pathToFileURL(library).href);

const source = new EventSource(url, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } }),
});
for (const type of types) {
  source.addEventListener(type, ({ data, lastEventId }) => console.log(JSON.stringify({ type, data: JSON.parse(data), lastEventId })));
}
