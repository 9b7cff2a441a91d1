// A page that keeps what its hub tells. `?options=` is JSON for createHub; with `token` the page asks `newToken()`,
// which the test exposes. Everything that tests look at hangs on `seen`.

import { createHub, createTelemetry, healthWords } from "/static/streaming/hub.js";

const { token, latency, ...options } = JSON.parse(new URLSearchParams(location.search).get("options"));
const seen = (globalThis.seen = { ids: [], numbers: [], states: [], records: [], resets: [], fresh: [], lags: [] });

if (token) options.auth = { token: () => globalThis.newToken() };
const hub = (globalThis.hub = createHub(options));
hub.onHealth((health, before) => {
  seen.records.push({ ...health, now: Date.now() });
  if (health.status !== before.status) seen.states.push(health.status);
  document.getElementById("words").textContent = healthWords(health, { now: Date.now() });
});
hub.onReset((reason) => seen.resets.push(reason));
hub.subscribe(
  "change.detected",
  ({ id, data }) => {
    seen.ids.push(id);
    seen.numbers.push(Number(data.headline));
    seen.lags.push(Date.now());
  },
  // What a page does that builds on the stream: it reads how things are, and goes on from there.
  { onFresh: async () => seen.fresh.push({ told: seen.ids.length, ...(await (await fetch(`${new URL(options.url, location).pathname}/poll`)).json()) }) },
);
if (latency) createTelemetry({ url: "/test/telemetry" }).watch(hub);
hub.start();
