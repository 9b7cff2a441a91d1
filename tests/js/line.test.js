import assert from "node:assert/strict";
import { test } from "node:test";

globalThis.matchMedia ??= () => ({ matches: false });
const { CROSSING, heightOf, pathOf } = await import("../../redline/dashboard/static/dashboard/line.js");

const VIEW = { now: 1_000_000, width: 600, height: 50 };
const top = (path) => Math.min(...[...path.matchAll(/l3 (-[\d.]+)/g)].map(([, y]) => Number(y)));
const peaks = (path) => path.split("H").length - 2;

test("the graver an event, the taller its pulse", () => {
  const detected = (severity) => heightOf({ type: "change.detected", data: { severity } });
  assert.ok(detected("P1") > detected("P2") && detected("P2") > detected("P3"));
  assert.ok(detected("P3") > heightOf({ type: "action.delivered", data: { status: "delivered" } }));
  assert.ok(heightOf({ type: "run.stage", data: { status: "failed" } }) > heightOf({ type: "run.stage", data: { status: "completed" } }));
});

test("without events the line is calm from edge to edge", () => {
  assert.equal(pathOf([], VIEW), "M0 36H600");
});

test("a pulse wanders from right to left and leaves", () => {
  const x = (age) => Number(/M0 36H([\d.]+)l/.exec(pathOf([{ at: VIEW.now - age, height: 1 }], VIEW))?.[1]);
  assert.ok(x(0) > x(CROSSING / 2) && x(CROSSING / 2) > 200);
  assert.equal(pathOf([{ at: VIEW.now - CROSSING, height: 1 }], VIEW), "M0 36H600");
});

test("where pulses would overlap the tallest speaks for them", () => {
  const burst = Array.from({ length: 12 }, (_, i) => ({ at: VIEW.now - 10_000 + i * 5, height: i === 7 ? 1 : 0.1 }));
  const path = pathOf(burst, VIEW);
  assert.equal(peaks(path), 1);
  assert.ok(top(path) < -30);
});

test("no pulse leaves the picture", () => {
  const path = pathOf([{ at: VIEW.now - 100, height: 1 }, { at: VIEW.now - 30_000, height: 1 }], VIEW);
  let [x, y] = [0, 0];
  for (const [, command, a, b] of path.matchAll(/([MHl])(-?[\d.]+)(?: (-?[\d.]+))?/g)) {
    if (command === "M") [x, y] = [Number(a), Number(b)];
    else if (command === "H") x = Number(a);
    else [x, y] = [x + Number(a), y + Number(b)];
    assert.ok(x >= 0 && x <= 600 && y >= 0 && y <= 50, `${x},${y}`);
  }
});
