// A hub's three ways to show who it is: the cookie, a token in the header of a fetched stream, tickets.
import assert from "node:assert/strict";
import { test } from "node:test";

import { credential } from "../../streaming/static/streaming/auth.js";
import { createHub } from "../../streaming/static/streaming/hub.js";
import { cursor, environment, fetcher, settled } from "./fakes.js";

const block = (type, data, id = null) => `${id ? `id: ${id}\n` : ""}event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
const opened = (from, more = {}) => block("stream.open", { cursor: from, resume: "ok", snapshot: false, heartbeat: 15, ...more }, from);

/** A server of fetched streams: `streams` holds those that were let in, `answer` decides on everything else. */
function server(answer = () => null) {
  const streams = [];
  const fetch = fetcher((request) => {
    const refusal = answer(request);
    if (refusal) return refusal;
    const stream = { request, isClosed: false };
    const body = new ReadableStream({
      start: (controller) => {
        stream.say = (text) => controller.enqueue(new TextEncoder().encode(text));
        stream.end = () => controller.close();
        request.signal.addEventListener("abort", () => {
          stream.isClosed = true;
          controller.error(request.signal.reason);
        });
      },
    });
    streams.push(stream);
    return new Response(body, { headers: { "Content-Type": "text/event-stream; charset=utf-8" } });
  });
  return { fetch, streams };
}

async function stage(auth, world = {}) {
  const at = environment(world);
  at.events = [];
  at.hub = createHub({ url: "/v1/stream", auth, fallback: false }, at.env);
  at.hub.subscribe("tick", ({ data }) => at.events.push(data.n));
  at.hub.start();
  await settled();
  return at;
}

const refused = (status) => ({ status, error: { code: "…", message: "…" } });

test("a token goes in the header, the cursor too, and nothing of either in the URL", async () => {
  const { fetch, streams } = server();
  const at = await stage({ token: "rl_1" }, { fetch });
  const [{ request }] = streams;
  assert.deepEqual(request.headers, { Accept: "text/event-stream", Authorization: "Bearer rl_1" });
  assert.deepEqual([...request.url.searchParams.keys()].sort(), ["connection", "heartbeat", "types"]);
  streams[0].say(opened(cursor(1)));
  streams[0].say(block("tick", { n: 2 }, cursor(2)));
  streams[0].end();
  await settled();
  assert.deepEqual(at.events, [2]);
  await at.clock.pass(4_000);
  assert.equal(streams[1].request.headers["Last-Event-ID"], cursor(2));
});

test("what comes in pieces is put together", async () => {
  const { fetch, streams } = server();
  const at = await stage({ token: "rl_1" }, { fetch });
  for (const character of opened(cursor(1)) + block("tick", { n: 2 }, cursor(2))) streams[0].say(character);
  await settled();
  assert.deepEqual([at.events, at.hub.health.status], [[2], "healthy"]);
});

test("a refusal is read from the answer, with when to come back", async () => {
  const { fetch } = server(() => ({ ...refused(429), headers: { "Retry-After": "9" } }));
  const at = await stage({ token: "rl_1" }, { fetch });
  assert.deepEqual([at.hub.health.nextAttemptAt - at.clock.time, at.hub.health.refusal], [9_000, 429]);
});

test("a page in the stream's place is a failure, and an empty one too", async () => {
  for (const answer of [new Response("<html>", { headers: { "Content-Type": "text/html" } }), new Response(null, { status: 204 })]) {
    const at = await stage({ token: "rl_1" }, { fetch: server(() => answer).fetch });
    assert.equal(at.hub.health.retryAttempt, 2);
  }
});

test("a fixed token that is refused is the end", async () => {
  const at = await stage({ token: "rl_1" }, { fetch: server(() => refused(401)).fetch });
  assert.equal(at.hub.health.stopped, "unauthenticated");
});

test("a refused token is fetched anew once, and only once", async () => {
  let fetched = 0;
  const { fetch, streams } = server(({ headers }) => (headers.Authorization.endsWith("2") ? null : refused(401)));
  const at = await stage({ token: async () => ({ token: `t${(fetched += 1)}` }) }, { fetch });
  await at.clock.pass(0);
  assert.deepEqual([fetched, streams.length], [2, 1]);
  let asked = 0;
  const other = await stage({ token: async () => `bad-${(asked += 1)}` }, { fetch: server(() => refused(401)).fetch });
  await other.clock.pass(0);
  assert.deepEqual([other.hub.health.stopped, asked], ["unauthenticated", 2]);
});

test("a source of tokens that fails is tried again, and one that says 403 is the end", async () => {
  const at = await stage({ token: () => Promise.reject(new TypeError("network")) }, { fetch: server().fetch });
  assert.equal(at.hub.health.retryAttempt, 2);
  const other = await stage({ token: () => Promise.reject(Object.assign(new Error(), { status: 403 })) }, { fetch: server().fetch });
  assert.equal(other.hub.health.stopped, "forbidden");
});

test("a source of tokens that never answers is given up after ten seconds, and what it says then is not used", async () => {
  const answers = [];
  const { fetch, streams } = server();
  const at = await stage({ token: () => new Promise((resolve) => answers.push(resolve)) }, { fetch });
  await at.clock.pass(10_000);
  assert.equal(at.hub.health.retryAttempt, 2);
  answers[0]("late");
  await at.clock.pass(4_000);
  assert.deepEqual([answers.length, streams.length], [2, 0]);
  answers[1]("fresh");
  await settled();
  assert.equal(streams[0].request.headers.Authorization, "Bearer fresh");
});

test("whoever asks meanwhile waits for the same token, and an old failure does not drop a newer one", async () => {
  const answers = [];
  const auth = credential({ token: () => new Promise((resolve, reject) => answers.push({ resolve, reject })) }, {});
  const old = auth.access();
  assert.equal(auth.pollAccess(), old);
  auth.renew();
  const fresh = auth.access();
  answers[0].reject(new TypeError("network"));
  await assert.rejects(old);
  await settled();
  assert.equal(auth.access(), fresh);
  answers[1].reject(new TypeError("network"));
  await assert.rejects(fresh);
  auth.access();
  assert.equal(answers.length, 3, "the next who asks is not given a failure that is over");
});

test("a token is replaced before it ends: the new stream is opened first, and no event is missed or told twice", async () => {
  let fetched = 0;
  const { fetch, streams } = server();
  const world = { fetch };
  let at;
  const token = async () => ({ token: `t${(fetched += 1)}`, expiresAt: new Date(at.clock.time + 100_000).toISOString() });
  at = environment(world);
  at.events = [];
  at.hub = createHub({ url: "/v1/stream", auth: { token }, fallback: false }, at.env);
  at.hub.subscribe("tick", ({ data }) => at.events.push(data.n));
  const statuses = new Set();
  at.hub.onHealth(({ status }) => statuses.add(status));
  at.hub.start();
  await settled();
  streams[0].say(opened(cursor(1)));
  streams[0].say(block("tick", { n: 2 }, cursor(2)));
  const beat = async () => {
    streams[0].say(block("heartbeat", { now: "" }));
    await at.clock.pass(10_000);
  };
  for (let beats = 0; beats < 7; beats += 1) await beat();
  assert.equal(streams.length, 1);
  await beat();
  assert.equal(streams[1].request.headers.Authorization, "Bearer t2");
  streams[0].say(block("tick", { n: 3 }, cursor(3)));
  await settled();
  assert.deepEqual([at.events, streams[0].isClosed], [[2, 3], false]);
  streams[1].say(opened(cursor(2)) + block("tick", { n: 3 }, cursor(3)) + block("tick", { n: 4 }, cursor(4)));
  await settled();
  assert.ok(streams[0].isClosed);
  assert.deepEqual([at.events, [...statuses]], [[2, 3, 4], ["healthy"]]);
});

test("a new token that is refused costs nothing while the old stream lives", async () => {
  let fetched = 0;
  const { fetch, streams } = server(({ headers }) => (headers.Authorization === "Bearer t2" ? refused(401) : null));
  let at;
  const token = async () => ({ token: `t${(fetched += 1)}`, expiresAt: at.clock.time + 20_000 });
  at = environment({ fetch });
  at.hub = createHub({ url: "/v1/stream", auth: { token }, fallback: false }, at.env);
  at.hub.subscribe("tick", () => {});
  at.hub.start();
  await settled();
  streams[0].say(opened(cursor(1)));
  await at.clock.pass(16_000);
  assert.deepEqual([fetched, streams.length, at.hub.health.status], [2, 1, "healthy"]);
  await at.clock.pass(4_000);
  assert.equal(streams[1].request.headers.Authorization, "Bearer t3");
  streams[1].say(opened(cursor(1)));
  await settled();
  assert.ok(streams[0].isClosed);
});

test("a credential that ends under way is replaced as soon as the server says so", async () => {
  let fetched = 0;
  const { fetch, streams } = server();
  const at = await stage({ token: async () => `t${(fetched += 1)}` }, { fetch });
  streams[0].say(opened(cursor(1)) + block("stream.closing", { reason: "auth_expired", reconnect: true, retryMs: 1_500 }));
  await settled();
  await at.clock.pass(1_500);
  assert.equal(streams[1].request.headers.Authorization, "Bearer t2");
  assert.equal(streams[1].request.headers["Last-Event-ID"], cursor(1));
});

test("tickets: one for the first stream, then the reconnect token, and a fresh one where that is refused", async () => {
  let ordered = 0;
  const answers = { POST: () => ({ status: 201, ticket: `k${(ordered += 1)}`, expiresIn: 60 }), HEAD: () => refused(401) };
  const fetch = fetcher(({ method }) => answers[method]());
  const at = await stage({ ticket: true }, { fetch });
  const credentials = () => at.sources.map(({ url }) => url.searchParams.get("ticket") ?? url.searchParams.get("token"));
  const { url, headers } = fetch.asked[0];
  assert.deepEqual([url.href, headers["X-CSRFToken"]], ["https://app.example/v1/stream/tickets", "c5rf"]);
  at.source.open({ reconnectToken: "r1" });
  at.clock.time += 1_000;
  at.source.fail();
  await at.clock.pass(4_000);
  assert.deepEqual(credentials(), ["k1", "r1"]);
  at.source.fail(2);
  await settled();
  await at.clock.pass(0);
  assert.deepEqual(credentials(), ["k1", "r1", "k2"]);
});

test("a reconnect token is for one query: another interest takes a fresh ticket", async () => {
  let ordered = 0;
  const at = await stage({ ticket: async () => `k${(ordered += 1)}` });
  at.source.open({ reconnectToken: "r1" });
  at.hub.subscribe("tock", () => {});
  await at.clock.pass(100);
  assert.equal(at.source.url.searchParams.get("ticket"), "k2");
});

test("who gets no ticket any more is told so", async () => {
  const at = await stage({ ticket: true }, { fetch: fetcher(() => refused(403)) });
  assert.equal(at.hub.health.stopped, "forbidden");
});

test("another origin is asked with the cookie only where cookies are the way in", async () => {
  const at = environment();
  createHub({ url: "https://streams.example/v1/stream" }, at.env);
  const hub = createHub({ url: "https://streams.example/v1/stream" }, at.env);
  hub.subscribe("tick", () => {});
  hub.start();
  await settled();
  assert.deepEqual(at.source.options, { withCredentials: true });
});
