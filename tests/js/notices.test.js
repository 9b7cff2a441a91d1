import assert from "node:assert/strict";
import { test } from "node:test";

import { noticeOf, obstacleOf } from "../../redline/dashboard/static/dashboard/notices.js";

const nameOf = (id) => `<${id}>`;
const found = (severity, more = {}) => ({ type: "change.detected", data: { changeReportId: "chg_1", vendorId: "vnd_1", severity, headline: "Courts go", ...more } });
const told = (event, level, news = true) => noticeOf(event, { level, news, nameOf });

test("a new change is told with severity, vendor and headline, under its own tag", () => {
  assert.deepEqual(told(found("P2"), "all"), { title: "P2 · <vnd_1>", body: "Courts go", tag: "chg_1" });
});

test("who wants the gravest is told of no other, and who wants none of nothing", () => {
  const levels = { off: [], P1: ["P1"], all: ["P1", "P2", "P3"] };
  for (const [level, expected] of Object.entries(levels)) {
    assert.deepEqual(["P1", "P2", "P3"].filter((severity) => told(found(severity), level)), expected, level);
  }
  assert.equal(told(found("P1"), "something else"), null);
});

test("state is never told, nor anything but changes, nor what came without its words", () => {
  assert.equal(told(found("P1"), "all", false), null);
  assert.equal(told({ type: "change.stateChanged", data: { changeReportId: "chg_1", state: "new", by: "usr_1" } }, "all"), null);
  assert.equal(told(found("P1", { oversize: true }), "all"), null);
});

test("why nothing is told although it was asked for is said", () => {
  assert.equal(obstacleOf("off", "denied"), "");
  assert.equal(obstacleOf("all", "granted"), "");
  assert.match(obstacleOf("P1", "denied"), /blocks notifications/);
  assert.match(obstacleOf("P1", "unsupported"), /has no notifications/);
  assert.match(obstacleOf("all", "default"), /Not allowed yet/);
});
