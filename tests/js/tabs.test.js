// Several tabs of one browser and one stream: the leader reads for all, and is replaced when it closes, freezes or hangs.
import assert from "node:assert/strict";
import { test } from "node:test";

import { createHub } from "../../streaming/static/streaming/hub.js";
import { Browser, Clock, cursor, environment, fetcher, settled, storage } from "./fakes.js";

const NAME = "streaming usr_1/org_1 https://app.example/v1/stream";

/** A log that polls can be answered from. */
function log() {
  const numbers = [];
  const at = { numbers, isAway: false, gate: null };
  at.fetch = fetcher(async ({ url }) => {
    if (at.isAway) return null;
    const known = [...numbers];
    await at.gate;
    const after = Number(url.searchParams.get("after")?.split(".")[1] ?? Infinity);
    const events = known.filter((n) => n > after).map((n) => ({ id: cursor(n), event: "tick", data: { n } }));
    return { events, cursor: cursor(known.at(-1) ?? 1), hasMore: false };
  });
  return at;
}

class Room {
  clock = new Clock();
  browser = new Browser();
  kept = storage();
  log = log();
  tabs = [];

  async open(types = "tick") {
    const channels = [];
    const openChannel = (name) => (channels.push(this.browser.openChannel(name)), channels.at(-1));
    const backlog = [];
    let isFrozen = false;
    const clock = { now: this.clock.now, clear: this.clock.clear, set: (callback, wait) => this.clock.set(() => (isFrozen ? backlog.push(callback) : callback()), wait) };
    const tab = environment({ clock, browser: { ...this.browser, locks: this.browser.locks, openChannel }, kept: this.kept, fetch: this.log.fetch, random: () => 0.5 });
    tab.events = [];
    tab.fresh = 0;
    tab.name = `tab-${this.tabs.length + 1}`;
    tab.env.name = () => tab.name;
    tab.hub = createHub({ url: "/v1/stream", share: "usr_1/org_1" }, tab.env);
    tab.end = tab.hub.subscribe(types, ({ data, news }) => tab.events.push(news ? data.n : `state ${data.n}`), { onFresh: () => (tab.fresh += 1) });
    /** Freeze without a word, as a tab that hangs: what is said to it is lost, and its timers wait. */
    tab.freeze = () => {
      isFrozen = true;
      channels.at(-1).isDeaf = true;
    };
    tab.thaw = () => {
      isFrozen = false;
      channels.at(-1).isDeaf = false;
      for (const callback of backlog.splice(0)) callback();
    };
    this.tabs.push(tab);
    tab.hub.start();
    await this.clock.pass(60);
    return tab;
  }

  get streams() {
    return this.tabs.flatMap((tab) => tab.open);
  }

  get leader() {
    return this.tabs.find(({ hub }) => hub.health.role === "leader");
  }

  async openStream({ resume = "none", from = 1 } = {}) {
    this.leader.source.open({ cursor: cursor(from), resume });
    this.leader.source.caughtUp(cursor(from));
    await settled();
  }

  async emit(...numbers) {
    for (const n of numbers) {
      this.log.numbers.push(n);
      this.leader?.source.say("tick", { n }, cursor(n));
    }
    await settled();
  }
}

async function room(tabs = 3) {
  const at = new Room();
  for (let tab = 0; tab < tabs; tab += 1) await at.open();
  await at.openStream();
  return at;
}

test("one leads with one stream, and every tab has every event, in order, and the same health", async () => {
  const at = await room(10);
  await at.emit(2, 3, 4);
  assert.equal(at.streams.length, 1);
  assert.deepEqual(at.tabs.map(({ events }) => events), Array(10).fill([2, 3, 4]));
  assert.deepEqual(at.tabs.map(({ hub }) => [hub.health.status, hub.health.role]), [["healthy", "leader"], ...Array(9).fill(["healthy", "follower"])]);
  assert.deepEqual(at.tabs.map(({ fresh }) => fresh), Array(10).fill(1));
});

test("all tabs of a browser go by one name at the server, so that a new leader ends the old one's stream", async () => {
  const at = await room(2);
  at.tabs[0].hub.stop();
  await at.clock.pass(60);
  const names = at.tabs.map(({ source }) => source.url.searchParams.get("connection"));
  assert.equal(names[0], names[1]);
});

test("a tab that comes later is told where the others stand, and that it may read", async () => {
  const at = await room(1);
  await at.emit(2, 3);
  const late = await at.open();
  assert.deepEqual([late.fresh, late.events], [1, []]);
  await at.emit(4);
  assert.deepEqual(late.events, [4]);
});

test("the stream carries what any tab wants, and lets go of it with the tab", async () => {
  const at = await room(1);
  const other = await at.open("tock");
  await at.clock.pass(100);
  assert.equal(at.leader.source.url.searchParams.get("types"), "tick,tock");
  assert.equal(other.fresh, 0, "not carried yet");
  await at.openStream({ resume: "ok" });
  assert.equal(other.fresh, 1);
  other.window.dispatchEvent(new Event("pagehide"));
  await settled();
  await at.clock.pass(100);
  assert.equal(at.leader.source.url.searchParams.get("types"), "tick");
});

test("a new leader asks once, for what all want", async () => {
  const at = await room(1);
  const next = await at.open("tock");
  await at.open("tack");
  at.tabs[0].window.dispatchEvent(new Event("pagehide"));
  await at.clock.pass(500);
  assert.equal(at.leader, next);
  assert.deepEqual(next.sources.map(({ url }) => url.searchParams.get("types")), ["tack,tock"]);
});

test("when the leader closes, the next goes on from where it stands itself", async () => {
  const at = await room();
  await at.emit(2, 3);
  at.tabs[0].window.dispatchEvent(new Event("pagehide"));
  await at.clock.pass(60);
  assert.equal(at.leader, at.tabs[1]);
  assert.equal(at.leader.source.url.searchParams.get("lastEventId"), cursor(3));
  assert.equal(at.streams.length, 1);
  await at.openStream({ resume: "ok", from: 3 });
  await at.emit(4);
  assert.deepEqual(at.tabs.slice(1).map(({ events }) => events), [[2, 3, 4], [2, 3, 4]]);
  assert.deepEqual(at.tabs.slice(1).map(({ fresh }) => fresh), [1, 1], "nothing was missed");
});

test("a leader that answers no pings any more is replaced, and yields when it wakes", async () => {
  const at = await room();
  const [first] = at.tabs;
  await at.emit(2);
  first.freeze();
  await at.clock.pass(8_000);
  assert.notEqual(at.tabs.findLast(({ hub }) => hub.health.role === "leader"), first);
  first.thaw();
  await settled();
  assert.equal(first.hub.health.role, "follower");
  assert.equal(at.streams.length, 1);
  await at.openStream({ resume: "ok", from: 2 });
  await at.emit(3);
  assert.deepEqual(at.tabs.map(({ events }) => events), Array(3).fill([2, 3]));
});

test("what an older leader says when it wakes is not heard", async () => {
  const at = await room(2);
  await at.emit(2);
  const old = at.browser.openChannel(NAME);
  old.postMessage({ kind: "told", from: "ghost", term: 1, after: cursor(2), message: { kind: "event", id: cursor(3), type: "tick", data: { n: 666 } } });
  await settled();
  assert.deepEqual(at.tabs.map(({ events }) => events), [[2], [2]]);
});

test("a follower that missed something reads it from the twin, then goes on, each event once", async () => {
  const at = await room();
  const slept = at.tabs[2];
  slept.freeze();
  await at.emit(2, 3);
  slept.thaw();
  await at.emit(4, 5);
  assert.deepEqual(slept.events, [2, 3, 4, 5]);
  assert.equal(at.log.fetch.asked.length, 1);
  assert.deepEqual(at.tabs[1].events, [2, 3, 4, 5]);
});

test("what comes while a gap is being read waits for it", async () => {
  const at = await room(2);
  const slept = at.tabs[1];
  let open;
  at.log.gate = new Promise((resolve) => (open = resolve));
  slept.freeze();
  await at.emit(2, 3);
  slept.thaw();
  await at.emit(4);
  await at.emit(5);
  open();
  await settled();
  assert.deepEqual([slept.events, at.log.fetch.asked.length], [[2, 3, 4, 5], 1]);
});

test("a twin that does not have what the leader has told is asked again in two seconds, not at once", async () => {
  const at = await room(2);
  const say = (n) => at.leader.source.say("tick", { n }, cursor(n));
  at.tabs[1].freeze();
  say(2);
  await settled();
  at.tabs[1].thaw();
  for (const n of [3, 4, 5]) {
    say(n);
    await settled();
  }
  assert.deepEqual([at.tabs[1].events, at.log.fetch.asked.length], [[], 1]);
  at.log.numbers.push(2, 3, 4, 5);
  await at.clock.pass(2_000);
  await at.emit(6);
  assert.deepEqual(at.tabs[1].events, [2, 3, 4, 5, 6]);
});

test("a tab that wants nothing follows along and asks nothing, and what it wants later comes from there on", async () => {
  const at = await room(2);
  const idle = at.tabs[1];
  idle.end();
  idle.freeze();
  await at.emit(2);
  idle.thaw();
  await at.emit(3);
  const got = [];
  idle.hub.subscribe("tick", ({ data }) => got.push(data.n));
  await at.emit(4);
  assert.deepEqual([got, at.log.fetch.asked.length], [[4], 0]);
});

test("a follower that missed something notices without a further event", async () => {
  const at = await room();
  at.tabs[2].freeze();
  await at.emit(2, 3);
  at.tabs[2].thaw();
  at.leader.source.say("heartbeat", { now: "" });
  await settled();
  assert.deepEqual(at.tabs[2].events, [2, 3]);
});

test("a new leader that lies behind repeats nothing to those who are further on", async () => {
  const at = await room();
  const [first, second, third] = at.tabs;
  at.log.isAway = true;
  second.freeze();
  await at.emit(2, 3);
  second.thaw();
  first.window.dispatchEvent(new Event("pagehide"));
  await at.clock.pass(60);
  assert.equal(at.leader, second);
  assert.equal(second.source.url.searchParams.get("lastEventId"), cursor(1));
  second.source.open({ cursor: cursor(1), resume: "ok" });
  for (const n of [2, 3, 4]) second.source.say("tick", { n }, cursor(n));
  await settled();
  assert.deepEqual([second.events, third.events], [[2, 3, 4], [2, 3, 4]]);
});

test("a leader that never had a cursor makes nobody skip what lies between", async () => {
  const at = await room(2);
  at.log.numbers.push(2, 3);
  const filter = { types: ["tick"], scope: {} };
  const message = { kind: "caught_up", cursor: cursor(3), filter, fresh: true };
  at.browser.openChannel(NAME).postMessage({ kind: "told", from: "tab-9", term: at.clock.time + 1, after: null, message });
  await settled();
  assert.deepEqual(at.tabs.map(({ events, fresh }) => [events, fresh]), [[[2, 3], 2], [[2, 3], 2]]);
});

test("a state is told to all as state, and one that its leader did not finish has an end", async () => {
  const at = await room(3);
  const [first, second, third] = at.tabs;
  first.source.say("stream.reset", { reason: "epoch" });
  first.source.say("tick", { n: 8 });
  await settled();
  assert.deepEqual([second.events, third.events], [["state 8"], ["state 8"]]);
  first.window.dispatchEvent(new Event("pagehide"));
  await at.clock.pass(60);
  second.source.open({ cursor: cursor(1), resume: "ok" });
  second.source.say("tick", { n: 2 }, cursor(2));
  await settled();
  assert.deepEqual([second.events, third.events], [["state 8", 2], ["state 8", 2]]);
});

test("a leader whose stream was taken over by another yields; a revoked right ends it for all", async () => {
  const at = await room(2);
  const [first, second] = at.tabs;
  first.source.closing({ reason: "superseded", reconnect: false });
  await at.clock.pass(60);
  assert.deepEqual([at.leader, first.hub.health.stopped], [second, null]);
  second.source.open({ cursor: cursor(1), resume: "ok" });
  second.source.closing({ reason: "auth_revoked", reconnect: false });
  await settled();
  assert.deepEqual(at.tabs.map(({ hub }) => hub.health.stopped), ["auth_revoked", "auth_revoked"]);
});

test("the leader polls for all, and a page that is put away leaves the rest to the others", async () => {
  const at = await room(2);
  at.leader.source.fail();
  at.log.numbers.push(2);
  await at.clock.pass(5_000);
  assert.deepEqual(at.tabs.map(({ events, hub }) => [events, hub.health.fallbackActive]), [[[2], true], [[2], true]]);
  const [first, second] = at.tabs;
  first.document.dispatchEvent(new Event("freeze"));
  await at.clock.pass(60);
  assert.equal(at.leader, second);
  first.document.dispatchEvent(new Event("resume"));
  await at.clock.pass(60);
  assert.deepEqual([at.leader, first.hub.health.role], [second, "follower"]);
});

test("another feed, or somebody else, is another stream", async () => {
  const at = await room(1);
  for (const [url, share] of [["/v1/stream", "usr_2/org_1"], ["/v2/stream", "usr_1/org_1"]]) {
    const tab = environment({ clock: at.clock, browser: at.browser, kept: at.kept });
    tab.env.name = () => `${url} ${share}`;
    const hub = createHub({ url, share }, tab.env);
    hub.subscribe("tick", () => {});
    hub.start();
    await at.clock.pass(60);
    assert.equal(hub.health.role, "leader");
    assert.equal(tab.source.url.searchParams.get("connection"), `${url} ${share}`);
  }
});

test("without locks every tab has a stream of its own", async () => {
  const tab = environment();
  tab.env.locks = null;
  const hub = createHub({ url: "/v1/stream", share: "usr_1/org_1" }, tab.env);
  hub.subscribe("tick", () => {});
  hub.start();
  await settled();
  assert.deepEqual([tab.open.length, hub.health.role], [1, "alone"]);
});
