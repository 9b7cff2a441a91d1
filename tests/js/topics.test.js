import assert from "node:assert/strict";
import { test } from "node:test";

import { Topics, both, covered, union } from "../../streaming/static/streaming/topics.js";
import { settled } from "./fakes.js";

const envelope = (type, payload) => ({ type, data: { topic: type, payload, kind: "event" } });

function stage(options = {}) {
  const at = { changes: 0 };
  at.topics = new Topics({ changed: () => (at.changes += 1), ...options });
  at.subscribe = (types, scope = {}) => {
    const one = { got: [], fresh: 0 };
    one.end = at.topics.subscribe({ types, scope, listener: (event) => one.got.push(event.type), onFresh: () => (one.fresh += 1) });
    return one;
  };
  return at;
}

test("the union is every type that somebody wants, and what all scopes have in common", () => {
  const at = stage();
  assert.equal(at.topics.filter, null);
  const one = at.subscribe("section.diff", { projectId: "prj_1", documentId: "doc_1" });
  assert.deepEqual(at.topics.filter, { types: ["section.diff"], scope: { documentId: "doc_1", projectId: "prj_1" } });
  at.subscribe(["project.lifecycle", "section.diff"], { projectId: "prj_1" });
  assert.deepEqual(at.topics.filter, { types: ["project.lifecycle", "section.diff"], scope: { projectId: "prj_1" } });
  const other = at.subscribe("section.diff", { projectId: "prj_2" });
  assert.deepEqual(at.topics.filter.scope, {});
  other.end();
  one.end();
  one.end();
  assert.deepEqual(at.topics.filter, { types: ["project.lifecycle", "section.diff"], scope: { projectId: "prj_1" } });
  assert.equal(at.changes, 5);
});

test("patterns stand for declared types, and one that fits none is an error", () => {
  const at = stage({ declared: ["section.diff", "section.conflict", "project.lifecycle"] });
  at.subscribe("section.*");
  assert.deepEqual(at.topics.filter.types, ["section.conflict", "section.diff"]);
  at.subscribe("*");
  assert.equal(at.topics.filter.types.length, 3);
  assert.throws(() => at.subscribe("payment.*"), /payment/);
});

test("an event reaches those whose type and scope it does not contradict", () => {
  const at = stage();
  const all = at.subscribe("quality-gate.progress");
  const mine = at.subscribe("quality-gate.progress", { documentId: "doc_1" });
  const section = at.subscribe("quality-gate.progress", { documentId: "doc_1", sectionId: "sec_1" });
  const project = at.subscribe("quality-gate.progress", { projectId: "prj_1" });
  at.topics.deliver(envelope("quality-gate.progress", { documentId: "doc_1", sectionId: null }));
  at.topics.deliver(envelope("quality-gate.progress", { documentId: "doc_2", sectionId: "sec_9" }));
  at.topics.deliver(envelope("section.diff", { documentId: "doc_1", sectionId: "sec_1" }));
  assert.deepEqual([all, mine, section, project].map((one) => one.got.length), [2, 1, 0, 2]);
});

test("a page may know better which keys an event names", () => {
  const projects = { doc_1: "prj_1", doc_2: "prj_2" };
  const at = stage({ named: ({ data }) => ({ ...data.payload, projectId: projects[data.payload.documentId] }) });
  const one = at.subscribe("section.diff", { projectId: "prj_1" });
  for (const documentId of ["doc_1", "doc_2"]) at.topics.deliver(envelope("section.diff", { documentId }));
  assert.equal(one.got.length, 1);
});

test("one that throws is reported and harms nobody else", (context) => {
  const reported = context.mock.method(console, "error", () => {});
  const at = stage();
  at.topics.subscribe({ types: "a", listener: () => { throw new Error("mine"); } });
  const other = at.subscribe("a");
  at.topics.deliver({ type: "a", data: {} });
  assert.equal(other.got.length, 1);
  assert.equal(reported.mock.callCount(), 1);
});

test("whoever ends its subscription while an event is delivered gets the next one no more", () => {
  const at = stage();
  const got = [];
  const end = at.topics.subscribe({ types: "a", listener: () => (got.push(1), end()) });
  at.topics.deliver({ type: "a", data: {} });
  at.topics.deliver({ type: "a", data: {} });
  assert.equal(got.length, 1);
});

test("each is told once that it may read its state, and again when what is known is too old", async () => {
  const at = stage();
  const one = at.subscribe("a");
  at.topics.caughtUp(at.topics.filter, { all: false });
  at.topics.caughtUp(at.topics.filter, { all: false });
  assert.equal(one.fresh, 1);
  const same = at.subscribe("a");
  await settled();
  assert.equal(same.fresh, 1, "the stream carries it already");
  const other = at.subscribe("b");
  await settled();
  assert.equal(other.fresh, 0, "the stream does not carry it yet");
  at.topics.caughtUp(at.topics.filter, { all: false });
  assert.deepEqual([one.fresh, same.fresh, other.fresh], [1, 1, 1]);
  at.topics.caughtUp(at.topics.filter, { all: true });
  assert.deepEqual([one.fresh, same.fresh, other.fresh], [2, 2, 2]);
});

test("a filter is carried by one that is wider in both ways", () => {
  const narrow = { types: ["a"], scope: { projectId: "1" } };
  assert.ok(covered({ types: ["a", "b"], scope: {} }, narrow));
  assert.ok(!covered({ types: ["b"], scope: {} }, narrow));
  assert.ok(!covered(narrow, { types: ["a"], scope: {} }));
  assert.equal(union([]), null);
});

test("what will be carried no longer is not counted on", async () => {
  const at = stage();
  const one = at.subscribe("a");
  const two = at.subscribe("b");
  at.topics.caughtUp(at.topics.filter, { all: false });
  two.end();
  const again = at.subscribe("b");
  await settled();
  assert.deepEqual([one.fresh, again.fresh], [1, 0]);
  at.topics.caughtUp(at.topics.filter, { all: false });
  assert.equal(again.fresh, 1);
});

test("what two filters both carry", () => {
  assert.equal(both(null, { types: ["a"], scope: {} }), null);
  assert.equal(both({ types: ["a"], scope: { x: "1" } }, { types: ["a"], scope: { x: "2" } }), null);
  assert.deepEqual(both({ types: ["a", "b"], scope: { x: "1" } }, { types: ["b", "c"], scope: { y: "2" } }), { types: ["b"], scope: { x: "1", y: "2" } });
});
