import assert from "node:assert/strict";
import { test } from "node:test";

import { createNotifier } from "../../streaming/static/streaming/notify.js";
import { storage } from "./fakes.js";

function stage({ permission = "granted", answer = "granted", kept = storage(), hidden = true } = {}) {
  const at = { shown: [], asked: 0, time: 1_000, kept, hidden };
  class Notification {
    static permission = permission;
    static async requestPermission() {
      at.asked += 1;
      Notification.permission = answer;
    }
    constructor(title, options) {
      at.shown.push([title, options]);
      at.last = this;
    }
  }
  at.notifier = createNotifier({ environment: { Notification, storage: kept, now: () => at.time, isHidden: () => at.hidden } });
  return at;
}

test("it shows what the page says, and hands over the click", () => {
  const at = stage();
  let clicked = 0;
  assert.equal(at.notifier.show("P1", { tag: "chg_1", body: "Notice grows", onClick: () => (clicked += 1) }), true);
  assert.deepEqual(at.shown, [["P1", { tag: "chg_1", body: "Notice grows" }]]);
  at.last.onclick();
  assert.equal(clicked, 1);
});

test("the person is asked once, and what they said holds", async () => {
  const at = stage({ permission: "default", answer: "denied" });
  assert.equal(at.notifier.show("x", { tag: "1" }), false);
  assert.equal(await at.notifier.ask(), "denied");
  assert.equal(await at.notifier.ask(), "denied");
  assert.deepEqual([at.asked, at.shown.length], [1, 0]);
});

test("a tag is shown once, whichever tab or page load sees it, for a week", () => {
  const at = stage();
  assert.equal(at.notifier.show("x", { tag: "1" }), true);
  assert.equal(at.notifier.show("x", { tag: "1" }), false);
  const other = stage({ kept: at.kept });
  assert.equal(other.notifier.show("x", { tag: "1" }), false);
  other.time += 8 * 24 * 3_600_000;
  assert.equal(other.notifier.show("x", { tag: "1" }), true);
});

test("what it remembers is bounded", () => {
  const at = stage();
  for (let n = 0; n < 500; n += 1) at.notifier.show("x", { tag: String(n) });
  assert.equal(JSON.parse(at.kept.getItem("streaming.notify")).shown.length, 200);
});

test("muted is muted until then, on every tab", () => {
  const at = stage();
  at.notifier.mute(5_000);
  const other = stage({ kept: at.kept });
  assert.equal(other.notifier.mutedUntil, 5_000);
  assert.equal(other.notifier.show("x", { tag: "1" }), false);
  other.time = 5_000;
  assert.equal(other.notifier.mutedUntil, null);
  assert.equal(other.notifier.show("x", { tag: "1" }), true);
  at.notifier.mute(Infinity - 1);
  at.notifier.unmute();
  assert.equal(at.notifier.mutedUntil, null);
});

test("whoever looks at the page needs no notification, unless the page thinks so", () => {
  const at = stage({ hidden: false });
  assert.equal(at.notifier.show("x", { tag: "1" }), false);
  assert.equal(at.notifier.show("x", { tag: "1", evenIfVisible: true }), true);
});

test("without notifications or storage it does no harm", async () => {
  const broken = { getItem: () => { throw new Error(); }, setItem: () => { throw new Error(); } };
  const at = stage({ kept: broken });
  assert.equal(at.notifier.show("x", { tag: "1" }), true);
  const none = createNotifier({ environment: { Notification: undefined, storage: storage(), now: Date.now, isHidden: () => true } });
  assert.deepEqual([none.permission, await none.ask(), none.show("x", { tag: "1" })], ["unsupported", "unsupported", false]);
});
